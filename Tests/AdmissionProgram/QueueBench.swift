import DatabaseFixtures
import Foundation
import Storage

/// How fast the queue is, and what a submission costs by how much is stored. One JSON document on stdout.
struct QueueBench: Sendable {
    struct Report: Encodable, Sendable {
        let backend: String
        /// Submissions and claims, each a transaction, by 8 tasks.
        let enqueuedPerSecond: [Double]
        let claimedPerSecond: [Double]
        /// Medians of a submission by one task, in turns, by how many executions are stored.
        let submitMs: [String: [Double]]
    }

    private static let stored = [10, 10_000, 1_000_000]
    private static let (rounds, tasks, userCount) = (5, 8, 100)

    let database: Database
    private let queue = ExecutionQueue()

    init(database: Database) { self.database = database }

    static func run(_ backend: Backend) async throws {
        let report =
            switch backend {
            case .sqlite: try await withLocations(backend.withLocation, stored.count) { try await measure(backend, $0) }
            case .postgres:
                try await PrivateCluster.with(.durable) { cluster async throws in
                    try await withLocations(cluster.withNewLocation, stored.count) { try await measure(backend, $0) }
                }
            }
        print(String(decoding: try JSONEncoder().encode(report), as: UTF8.self))
    }

    /// That many databases at once.
    private static func withLocations<Result>(
        _ make: @escaping ((DatabaseLocation) async throws -> Result) async throws -> Result, _ count: Int,
        _ made: [DatabaseLocation] = [], _ body: @escaping ([DatabaseLocation]) async throws -> Result
    ) async throws -> Result {
        guard made.count < count else { return try await body(made) }
        return try await make { try await withLocations(make, count, made + [$0], body) }
    }

    private static func measure(_ backend: Backend, _ locations: [DatabaseLocation]) async throws -> Report {
        var benches: [QueueBench] = []
        for (location, count) in zip(locations, stored) {
            let bench = QueueBench(database: Database(location, configuration: .patient, logger: .silent))
            try await bench.database.migrate()
            try await bench.fill(count)
            Bench.say("\(backend.rawValue): \(count) executions are stored")
            benches.append(bench)
        }
        var (enqueued, claimed) = ([Double](), [Double]())
        for _ in 0..<rounds {
            enqueued.append(try await benches[1].enqueue(2_000))
            claimed.append(try await benches[1].claim())
        }
        var submits: [String: [Double]] = [:]
        for _ in 0..<rounds {
            for (bench, count) in zip(benches, stored) {
                submits["\(count)", default: []].append(try await bench.submit(300))
            }
        }
        for bench in benches { await bench.database.close() }
        return Report(
            backend: backend.rawValue, enqueuedPerSecond: enqueued, claimedPerSecond: claimed, submitMs: submits)
    }

    private func fill(_ count: Int) async throws {
        for first in stride(from: 0, to: count, by: 50_000) {
            let last = min(count, first + 50_000)
            try await database.execute(
                """
                WITH RECURSIVE numbers (i) AS (SELECT \(first) UNION ALL SELECT i + 1 FROM numbers WHERE i < \(last - 1))
                INSERT INTO executions (id, user_id, agent_id, state, priority, turn, request, ending, created_at,
                    started_at, finished_at, deadline, fence)
                SELECT 'exe_past' || CAST(i AS TEXT), 'usr_' || CAST(i % 100 AS TEXT), 'agt_bench', 'succeeded', 0, i / 100,
                    '{}', '{}', i, i, i, i, 1 FROM numbers
                """)
        }
        try await database.execute("ANALYZE")
    }

    // MARK: Measuring

    private func submission(_ number: Int) -> ExecutionQueue.Submission {
        ExecutionQueue.Submission(
            id: Identifier.make("exe_"), userID: "usr_\(number % Self.userCount)", agentID: "agt_bench", request: "{}",
            patience: .seconds(3600))
    }

    /// - Returns: transactions per second.
    private func enqueue(_ count: Int) async throws -> Double {
        try await perSecond(count) { task in
            for number in stride(from: task, to: count, by: Self.tasks) {
                let submission = submission(number)
                try await database.transaction(isolation: .readCommitted) {
                    _ = try await queue.submit(submission, in: $0)
                }
            }
        }
    }

    /// Until nothing waits.
    private func claim() async throws -> Double {
        let waiting = try await queue.load(in: database).depth
        let rate = try await perSecond(waiting) { task in
            while try await database.transaction(
                isolation: .readCommitted,
                { try await queue.claim(for: "node-\(task)", startingWithin: .seconds(3600), in: $0) }) != nil
            {}
        }
        try await end()
        return rate
    }

    /// - Returns: the median in milliseconds.
    private func submit(_ count: Int) async throws -> Double {
        var times: [Double] = []
        for number in 0..<count {
            let submission = submission(number)
            let start = ContinuousClock.now
            try await database.transaction(isolation: .readCommitted) { _ = try await queue.submit(submission, in: $0) }
            times.append((ContinuousClock.now - start) / .milliseconds(1))
        }
        try await end()
        return times.sorted()[times.count / 2]
    }

    private func perSecond(_ count: Int, _ body: @escaping @Sendable (Int) async throws -> Void) async throws -> Double
    {
        let began = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<Self.tasks { group.addTask { try await body(task) } }
            try await group.waitForAll()
        }
        return Double(count) / ((ContinuousClock.now - began) / .seconds(1))
    }

    /// Ends what is not ended, as the nodes would have meanwhile.
    private func end() async throws {
        try await database.execute(
            """
            UPDATE executions SET state = 'succeeded', ending = '{}', finished_at = 0, fence = 1, lease_holder = NULL,
                lease_expires_at = NULL
            WHERE finished_at IS NULL
            """)
    }
}
