import DatabaseFixtures
import Testing

@testable import Storage

@Suite("A node that is cut off")
struct CutOffTests {
    @Test("lets go of what it has locked before others lose their leases", .timeLimit(.minutes(5)))
    func locks() async throws {
        let queue = ExecutionQueue()
        try await Backend.postgres.withLocation { location in
            try await location.withDatabase { node in
                try await node.migrate()
                let lease = try await node.transaction(isolation: .readCommitted) { transaction in
                    try await queue.submit(
                        .init(id: "exe_1", userID: "usr_a", agentID: nil, request: "{}", patience: .seconds(600)),
                        in: transaction)
                    return try #require(
                        try await queue.claim(for: "node-1", startingWithin: .seconds(600), in: transaction)
                    ).lease
                }
                try await location.withDatabase { other in
                    var held: [ExecutionQueue.Lease: Cancellation?]?
                    await #expect(throws: DatabaseError.self) {
                        try await other.transaction(isolation: .readCommitted) { transaction in
                            _ = try await queue.find("exe_1", locked: true, in: transaction)
                            // Nothing more comes from it, until the heartbeat got through.
                            held = try await node.transaction(isolation: .readCommitted) {
                                try await queue.renew([lease], in: $0)
                            }
                        }
                    }
                    #expect(held == [lease: nil])
                }
            }
        }
    }
}
