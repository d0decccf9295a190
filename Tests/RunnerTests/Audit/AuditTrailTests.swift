import DatabaseFixtures
import Foundation
import Storage
import Testing

@testable import Runner

@Suite("The audit trail in the database")
struct AuditTrailTests {
    private func withTrail(_ backend: Backend, _ body: (Database, AuditTrail) async throws -> Void) async throws {
        try await backend.withDatabase { database in
            try await database.migrate()
            try await body(database, AuditTrail(database))
        }
    }

    private func append(_ count: Int, to database: Database) async throws {
        for number in 1...count {
            try await database.transaction(isolation: .readCommitted) { transaction in
                try await AuditLog.append(
                    actor: "usr_\(number)", action: "agent.created", subject: "agt_\(number)",
                    detail: "{\"number\":\(number),\"half\":0.5}", in: transaction)
            }
        }
    }

    private func sealAll(_ trail: AuditTrail) async throws { while try await trail.seal() > 0 {} }

    private func fault(of trail: AuditTrail, known: AuditHead? = nil) async throws -> AuditVerifier.Fault? {
        do {
            _ = try await trail.verify(known: known)
            return nil
        } catch let fault as AuditVerifier.Fault {
            return fault
        }
    }

    @Test("chains what was written down, whole and in order", arguments: Backend.allCases)
    func chains(backend: Backend) async throws {
        try await withTrail(backend) { database, trail async throws in
            #expect(try await trail.verify().head == .empty)
            try await append(7, to: database)
            #expect(try await trail.verify().waiting == 7)
            try await sealAll(trail)
            let (head, waiting) = try await trail.verify()
            #expect(head.sequence == 7)
            #expect(waiting == 0)
            let entries = try await trail.entries(after: 0, limit: 100)
            #expect(entries.map(\.subject) == (1...7).map { "agt_\($0)" })
            #expect(try await trail.entries(after: 0, subject: "agt_3", limit: 100).map(\.sequence) == [3])
            #expect(try await trail.entries(after: 5, limit: 1).map(\.sequence) == [6])
        }
    }

    @Test(
        "holds when many write and chain at once, and loses nothing", .timeLimit(.minutes(10)),
        arguments: Backend.allCases)
    func together(backend: Backend) async throws {
        try await withTrail(backend) { database, trail async throws in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<6 { group.addTask { try await append(40, to: database) } }
                for _ in 0..<2 {
                    group.addTask { for _ in 0..<30 { try await trail.seal() } }
                }
                try await group.waitForAll()
            }
            try await sealAll(trail)
            let (head, waiting) = try await trail.verify()
            #expect(head.sequence == 240)
            #expect(waiting == 0)
        }
    }

    @Test("a transaction that is rolled back leaves no entry", arguments: Backend.allCases)
    func rolledBack(backend: Backend) async throws {
        struct Refused: Error {}
        try await withTrail(backend) { database, trail async throws in
            await #expect(throws: Refused.self) {
                try await database.transaction { transaction in
                    try await AuditLog.append(actor: "a", action: "b", subject: "c", in: transaction)
                    throw Refused()
                }
            }
            #expect(try await trail.verify().waiting == 0)
        }
    }

    private static let damages: [(String, SQL, AuditVerifier.Fault.Code)] = [
        ("removed", "DELETE FROM audit WHERE sequence = 4", .removed),
        ("first removed", "DELETE FROM audit WHERE sequence = 1", .removed),
        ("last removed", "DELETE FROM audit WHERE sequence = 7", .removed),
        ("all removed", "DELETE FROM audit", .removed),
        ("actor changed", "UPDATE audit SET actor = 'usr_9' WHERE sequence = 4", .changed),
        ("time changed", "UPDATE audit SET recorded_at = recorded_at + 1 WHERE sequence = 4", .changed),
        ("detail changed", "UPDATE audit SET detail = '{}' WHERE sequence = 4", .changed),
        ("detail no JSON", "UPDATE audit SET detail = 'x' WHERE sequence = 4", .changed),
        (
            "swapped",
            "UPDATE audit SET sequence = CASE sequence WHEN 3 THEN 104 ELSE 103 END WHERE sequence IN (3, 4)", .removed
        ),
    ]

    @Test("finds what was removed, changed or swapped", arguments: Backend.allCases, damages.indices)
    func damaged(backend: Backend, index: Int) async throws {
        let (name, damage, code) = Self.damages[index]
        try await withTrail(backend) { database, trail async throws in
            try await append(7, to: database)
            try await sealAll(trail)
            #expect(try await fault(of: trail) == nil)
            try await database.execute(damage)
            if name == "swapped" {
                try await database.execute("UPDATE audit SET sequence = sequence - 100 WHERE sequence > 100")
            }
            let found = try await fault(of: trail)
            #expect(found?.code == (name == "swapped" ? .changed : code), "\(name): \(String(describing: found))")
        }
    }

    @Test("a trail that was written anew is told from the one whose head was kept", arguments: Backend.allCases)
    func rewritten(backend: Backend) async throws {
        try await withTrail(backend) { database, trail async throws in
            try await append(5, to: database)
            try await sealAll(trail)
            let kept = try await trail.head()
            try await database.execute("DELETE FROM audit")
            try await database.execute("DELETE FROM audit_head")
            try await append(6, to: database)
            try await sealAll(trail)
            #expect(try await fault(of: trail) == nil)
            #expect(try await fault(of: trail, known: kept)?.code == .changed)
        }
    }
}
