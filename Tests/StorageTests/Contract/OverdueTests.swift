import DatabaseFixtures
import Testing

@testable import Storage

@Suite("What is overdue")
struct OverdueTests {
    @Test("is found behind what is left out", .timeLimit(.minutes(2)), arguments: Backend.allCases)
    func leftOut(_ backend: Backend) async throws {
        let queue = ExecutionQueue()
        try await backend.withDatabase { database in
            try await database.migrate()
            for id in ["exe_1", "exe_2", "exe_3"] {
                try await database.transaction { transaction in
                    try await queue.submit(
                        .init(id: id, userID: "usr_a", agentID: nil, request: "{}", patience: .seconds(-60)),
                        in: transaction)
                }
            }
            let claim = try await database.transaction {
                try await queue.claim(for: "node-1", startingWithin: .seconds(-60), in: $0)
            }
            let claimed = try #require(claim).lease.executionID
            let others = Set(["exe_1", "exe_2", "exe_3"]).subtracting([claimed])

            func overdue(except ids: Set<String> = [], of holder: String? = nil) async throws -> Set<String> {
                Set(try await queue.overdue(except: ids, of: holder, limit: 1, in: database).map(\.id))
            }
            #expect(try await overdue().count == 1)
            #expect(try await overdue(except: others) == [claimed])
            #expect(try await overdue(except: others, of: "node-1").isEmpty)
            #expect(try await overdue(except: others, of: "node-2") == [claimed])
            #expect(try await overdue(except: others.union([claimed])).isEmpty)
            #expect(others.isSuperset(of: try await overdue(of: "node-1")))
        }
    }
}
