import DatabaseFixtures
import Entitlements
import Foundation
import Storage

/// How fast decisions are. One JSON document on stdout.
struct Bench: Sendable {
    struct Failure: Error {
        let what: String
    }

    /// One measurement.
    struct Result: Encodable, Sendable {
        let tasks: Int
        let decisions: Int
        let perSecond: Double
        let p50Ms: Double
        let p99Ms: Double
    }

    struct Report: Encodable, Sendable {
        let backend: String
        /// All admitted, different users.
        let admitted: [Result]
        /// All denied by their quota.
        let denied: [Result]
        /// One user.
        let contended: Result
        /// All admitted, different users, and no commit waits for the disk; empty for SQLite.
        let unflushed: [Result]
        /// With 1,000 and with 1,000,000 past executions, in turns.
        let small: [Result]
        let large: [Result]
        /// Of the medians of p50.
        let ratio: Double
    }

    private static let userCount = 500
    private static let pastCount = 1_000_000

    let database: Database
    let agent: String

    static func run(_ backend: Backend) async throws {
        let report =
            switch backend {
            case .sqlite:
                try await backend.withDatabase { small async throws in
                    try await backend.withDatabase { try await measure(backend, small, $0) }
                }
            case .postgres: try await measureOnPostgres()
            }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        print(String(decoding: try encoder.encode(report), as: UTF8.self))
    }

    private static func measureOnPostgres() async throws -> Report {
        try await PrivateCluster.with(.durable) { cluster async throws in
            try await cluster.withNewDatabase { small async throws in
                try await cluster.withNewDatabase { large async throws in
                    let url = cluster.url(database: small)
                    let unflushed = url + "&options=-csynchronous_commit%3Doff"
                    return try await open(url) { small async throws in
                        try await open(cluster.url(database: large)) {
                            try await measure(.postgres, small, $0, unflushed: unflushed)
                        }
                    }
                }
            }
        }
    }

    private static func open<Result>(_ url: String, _ body: (Database) async throws -> Result) async throws -> Result {
        try await DatabaseLocation(url: url, stateFolder: "/").withDatabase { try await body($0) }
    }

    private static func measure(
        _ backend: Backend, _ one: Database, _ other: Database, unflushed: String? = nil
    ) async throws -> Report {
        let decisions = backend == .sqlite ? 1_500 : 8_000
        let small = try await prepared(one, past: 1_000)
        say("\(backend.rawValue): 1,000 past executions are there")
        _ = try await small.measure(tasks: 8, decisions: decisions / 3)
        let admitted = try await small.measureAdmitted(decisions)
        var quick: [Result] = []
        if let unflushed {
            say("no commit waits for the disk")
            quick = try await open(unflushed) {
                try await Bench(database: $0, agent: small.agent).measureAdmitted(decisions)
            }
        }
        let contended = try await small.measure(tasks: 8, decisions: decisions / 3, users: 1)
        try await small.closeQuota()
        var denied: [Result] = []
        for tasks in [1, 8, 64] {
            denied.append(
                try await small.measure(tasks: tasks, decisions: decisions, isAdmitted: false))
        }
        try await small.openQuota()
        let large = try await prepared(other, past: pastCount)
        say("\(backend.rawValue): 1,000,000 past executions are there")
        _ = try await large.measure(tasks: 8, decisions: decisions / 3)
        var (few, many) = ([Result](), [Result]())
        for _ in 0..<5 {
            few.append(try await small.measure(tasks: 8, decisions: decisions / 2))
            many.append(try await large.measure(tasks: 8, decisions: decisions / 2))
        }
        return Report(
            backend: backend.rawValue, admitted: admitted, denied: denied, contended: contended, unflushed: quick,
            small: few,
            large: many, ratio: median(many.map(\.p50Ms)) / median(few.map(\.p50Ms)))
    }

    // MARK: What is there

    private static func prepared(_ database: Database, past: Int) async throws -> Bench {
        try await database.migrate()
        let users = UserRepository()
        for number in 0..<userCount {
            try await database.transaction { _ = try await users.ensure("usr_\(number)", in: $0) }
        }
        let agent = try await database.transaction { transaction in
            let draft = AgentDraft(
                name: "bench", description: "Does nothing at all.", category: .utility, dockerImage: "bench",
                imageDigest: "sha256:" + String(repeating: "0", count: 64))
            let owner = try await users.ensure("usr_owner", role: .developer, in: transaction)
            return try await AgentRepository().create(draft, ownerID: owner.id, by: "bench", in: transaction)
        }
        let bench = Bench(database: database, agent: agent.id)
        try await bench.openQuota()
        try await bench.fill(past)
        return bench
    }

    private func fill(_ count: Int) async throws {
        for first in stride(from: 0, to: count, by: 50_000) {
            let last = min(count, first + 50_000)
            try await database.transaction(isolation: .readCommitted) { transaction in
                try await transaction.execute(
                    """
                    WITH RECURSIVE numbers (i) AS (SELECT \(first) UNION ALL SELECT i + 1 FROM numbers WHERE i < \(last - 1))
                    INSERT INTO executions (id, user_id, agent_id, state, priority, turn, request, ending, created_at,
                        started_at, finished_at, deadline, fence)
                    SELECT 'exe_past' || CAST(i AS TEXT), 'usr_' || CAST(i % 500 AS TEXT), \(agent), 'succeeded', 0, i / 500,
                        '{}', '{}', i, i, i, i, 1 FROM numbers
                    """)
                try await transaction.execute(
                    """
                    WITH RECURSIVE numbers (i) AS (SELECT \(first) UNION ALL SELECT i + 1 FROM numbers WHERE i < \(last - 1))
                    INSERT INTO reservations (execution_id, user_id, agent_id, agent_version, admitted_at, day, is_advance,
                        grant_source, price_cents, cpu_second_rate, gib_second_rate, egress_gib_rate, estimate_cents,
                        settled_at, is_engine_failure, charged_cents)
                    SELECT 'exe_past' || CAST(i AS TEXT), 'usr_' || CAST(i % 500 AS TEXT), \(agent), 1, i, 0, \(false),
                        'free', 0, 0, 0, 0, 0, i, \(false), 0 FROM numbers
                    """)
            }
        }
        try await database.execute("ANALYZE")
    }

    private func openQuota() async throws { try await setQuota(1_000_000_000) }
    private func closeQuota() async throws { try await setQuota(0) }

    private func setQuota(_ quota: Int) async throws {
        try await database.execute(
            """
            UPDATE users SET executions_per_day = \(quota), executions_per_hour = 1000000000, max_concurrent = 1000000000
            """)
    }

    // MARK: Measuring

    private func measureAdmitted(_ decisions: Int) async throws -> [Result] {
        var results: [Result] = []
        for tasks in [1, 8, 64] {
            results.append(try await measure(tasks: tasks, decisions: tasks == 1 ? decisions / 3 : decisions))
        }
        return results
    }

    private func measure(
        tasks: Int, decisions: Int, users: Int = userCount, isAdmitted: Bool = true
    ) async throws -> Result {
        let admission = Admission()
        let (database, agent) = (database, agent)
        let clock = ContinuousClock()
        let began = clock.now
        var times = try await withThrowingTaskGroup(of: [Double].self) { group in
            for task in 0..<tasks {
                group.addTask {
                    var times: [Double] = []
                    for number in stride(from: task, to: decisions, by: tasks) {
                        let request = AdmissionRequest(
                            executionID: Identifier.make("exe_"), userID: "usr_\(number % users)", agentID: agent)
                        let start = clock.now
                        let decision = try await admission.admit(request, on: database) { _ in "{}" }
                        times.append((clock.now - start).milliseconds)
                        switch decision {
                        case .admitted where isAdmitted: break
                        case .denied(let denial) where !isAdmitted && denial.code == .quotaExceeded: break
                        default: throw Failure(what: "\(decision)")
                        }
                    }
                    return times
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        let seconds = (clock.now - began).milliseconds / 1000
        times.sort()
        try await end()
        let result = Result(
            tasks: tasks, decisions: decisions, perSecond: (Double(decisions) / seconds).rounded(),
            p50Ms: times[times.count / 2], p99Ms: times[times.count * 99 / 100])
        Self.say("\(tasks) tasks: \(Int(result.perSecond))/s, p50 \(result.p50Ms) ms, p99 \(result.p99Ms) ms")
        return result
    }

    /// Ends what waits, as the nodes would have meanwhile.
    private func end() async throws {
        try await database.execute(
            "UPDATE executions SET state = 'succeeded', ending = '{}', finished_at = 0, fence = 1 WHERE state = 'queued'"
        )
        try await database.execute(
            "UPDATE reservations SET settled_at = 0, charged_cents = 0, is_engine_failure = \(false) WHERE settled_at IS NULL"
        )
        try await database.execute("UPDATE accounts SET active = 0, hour_window = ''")
        try await database.execute("ANALYZE")
    }

    private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

    static func say(_ text: String) { FileHandle.standardError.write(Data("bench: \(text)\n".utf8)) }
}

extension Duration {
    fileprivate var milliseconds: Double {
        Double(components.seconds) * 1000 + Double(components.attoseconds) / 1e15
    }
}
