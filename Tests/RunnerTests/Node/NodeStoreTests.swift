import DatabaseFixtures
import Foundation
import Storage
import Testing

@testable import Runner

@Suite("What a node stores")
struct NodeStoreTests {
    @Test("a claim leaves time for a pull and a start, as long as each may take", .timeLimit(.minutes(1)))
    func claim() async throws {
        try await Backend.sqlite.withDatabase { database in
            try await database.migrate()
            try await database.transaction { transaction in
                try await ExecutionQueue().submit(
                    .init(id: "exe_1", userID: "usr_a", agentID: nil, request: "{}", patience: .seconds(600)),
                    in: transaction)
            }
            let store = NodeStore(database: database, queue: ExecutionQueue(), name: "node-1", logger: .silent)
            let execution = try #require(try await store.claim()).execution
            let time = execution.deadline.timeIntervalSince(try #require(execution.claimedAt))
            #expect(.seconds(time) > NodeStore.startLimit + ExecutionLifecycle.startLimit)
        }
    }
}
