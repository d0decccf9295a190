import DatabaseFixtures
import Foundation
import Glibc
import Storage
import Testing

@testable import Entitlements

@Suite("Other processes", .serialized)
struct ProcessTests {
    @Test("two that flood PostgreSQL with 10,000 submits admit exactly what they may", .timeLimit(.minutes(10)))
    func two() async throws {
        for bound in [ContentionTests.Bound.quota, .concurrency, .rate, .balance] {
            try await Backend.postgres.withURL { url in
                try await World.open(url) { world async throws in
                    try await bound.prepare(world)
                    async let one = AdmissionProcess.output(["flood", url, world.user.id, world.agent.id, "5000", "32"])
                    async let other = AdmissionProcess.output([
                        "flood", url, world.user.id, world.agent.id, "5000", "32",
                    ])
                    let outputs = try await [one, other]
                    #expect(outputs.compactMap { Int($0) }.reduce(0, +) == bound.admitted)
                    #expect(outputs.allSatisfy { Int($0) != nil })
                    #expect(try await world.count("executions") == bound.admitted)
                    try await Books.check(world)
                }
            }
        }
    }

    @Test(
        "one that is killed between two steps leaves no reservation and no cent behind", .timeLimit(.minutes(5)),
        arguments: Backend.allCases,
        ["decided", "written", "admitted", "settling", "settled", "refunding", "refunded"])
    func steps(_ backend: Backend, _ step: String) async throws {
        try await backend.withURL { url in
            try await World.open(url) { world async throws in
                try await Self.prepare(world)
                let process = try AdmissionProcess(["churn", url, world.user.id, world.agent.id, step])
                #expect(await process.end() == SIGKILL)
                try await Books.check(world)
                // Committed, or not: nothing between.
                let (admitted, settled, refunded): (Int, Int, Int) =
                    switch step {
                    case "decided", "written": (0, 0, 0)
                    case "admitted", "settling": (1, 0, 0)
                    case "settled", "refunding": (1, 1, 0)
                    default: (1, 1, 1)
                    }
                #expect(try await world.count("reservations") == admitted)
                #expect(try await world.count("executions") == admitted)
                #expect(try await world.count("reservations WHERE settled_at IS NOT NULL") == settled)
                #expect(try await world.count("reservations WHERE refunded_cents = 1") == refunded)
                #expect(try await world.submit().isAdmitted)
            }
        }
    }

    /// Of this database: the server has those of other tests too.
    private static let waiting: SQL =
        "pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    @Test(
        "one that is killed while it waits for a table, in the middle of its transaction", .timeLimit(.minutes(5)),
        arguments: [
            "accounts", "executions", "reservations", "audit_pending", "ledger", "usage_records",
        ])
    func tables(_ table: String) async throws {
        try await Backend.postgres.withURL { url in
            try await World.open(url) { world async throws in
                try await Self.prepare(world)
                let process = try await world.database.transaction(isolation: .readCommitted) { transaction in
                    try await transaction.execute(Self.lock(table))
                    let process = try AdmissionProcess(["churn", url, world.user.id, world.agent.id])
                    try await eventually { try await world.count(Self.waiting) > 0 }
                    process.kill()
                    _ = await process.end()
                    return process
                }
                withExtendedLifetime(process) {}
                // The server notices, and rolls back.
                try await eventually { try await world.count(Self.waiting) == 0 }
                try await Books.check(world)
                #expect(try await world.submit().isAdmitted)
                try await Books.check(world)
            }
        }
    }

    @Test("one that is killed at any time", .timeLimit(.minutes(5)), arguments: Backend.allCases)
    func anyTime(_ backend: Backend) async throws {
        try await backend.withURL { url in
            try await World.open(url) { world async throws in
                try await Self.prepare(world)
                for round in 1...5 {
                    let process = try AdmissionProcess(["churn", url, world.user.id, world.agent.id])
                    // A different number of rounds each time, however fast this machine is.
                    let before = try await world.count("reservations")
                    try await eventually { try await world.count("reservations") > before + 3 * round }
                    process.kill()
                    _ = await process.end()
                    try await Books.check(world)
                }
            }
        }
    }

    private static func prepare(_ world: World) async throws {
        try await world.unlimit()
        try await world.change(agent: { $0.price = "1.00" })
        try await world.grant()
        try await world.change { $0.balanceCents = 10_000_000 }
    }

    private static func lock(_ table: String) -> SQL {
        switch table {
        case "accounts": "LOCK TABLE accounts IN EXCLUSIVE MODE"
        case "executions": "LOCK TABLE executions IN EXCLUSIVE MODE"
        case "reservations": "LOCK TABLE reservations IN EXCLUSIVE MODE"
        case "audit_pending": "LOCK TABLE audit_pending IN EXCLUSIVE MODE"
        case "ledger": "LOCK TABLE ledger IN EXCLUSIVE MODE"
        default: "LOCK TABLE usage_records IN EXCLUSIVE MODE"
        }
    }
}

extension World {
    /// By a location that other processes have too. The clock is the real one, as theirs is.
    static func open(_ url: String, _ body: (World) async throws -> Void) async throws {
        try await DatabaseLocation(url: url, stateFolder: "/").withDatabase { database async throws in
            try await database.migrate()
            let now = Date().formatted(.iso8601)
            try await body(try await make(on: database, at: now, price: "0"))
        }
    }
}

/// `AdmissionProgram` as a process.
final class AdmissionProcess: Sendable {
    private let process: Process
    private let output = Pipe()

    init(_ arguments: [String]) throws {
        process = Process()
        process.executableURL = Self.program
        process.arguments = arguments
        process.standardOutput = output
        try process.run()
    }

    /// Beside the test bundle.
    private static var program: URL {
        URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appending(path: "AdmissionProgram")
    }

    func kill() { Glibc.kill(process.processIdentifier, SIGKILL) }

    /// - Returns: the signal that ended it; 0 for none.
    func end() async -> CInt {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { [process] in
                process.waitUntilExit()
                continuation.resume()
            }
        }
        return process.terminationReason == .uncaughtSignal ? process.terminationStatus : 0
    }

    static func output(_ arguments: [String]) async throws -> String {
        let process = try AdmissionProcess(arguments)
        _ = await process.end()
        let bytes = process.output.fileHandleForReading.availableData
        return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
