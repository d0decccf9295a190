import DatabaseFixtures
import Testing

@testable import Storage

@Suite("A transaction that says nothing")
struct EmptyTests {
    @Test("leaves nothing open for who has its connection next", .timeLimit(.minutes(2)), arguments: Backend.allCases)
    func next(_ backend: Backend) async throws {
        try await backend.withDatabase({ $0.connections = 1 }) { database in
            try await database.execute("CREATE TABLE things (id BIGINT NOT NULL PRIMARY KEY)")
            for id in 1...3 {
                try await database.transaction { _ in }
                try await database.execute("INSERT INTO things (id) VALUES (\(id))")
            }
            #expect(try await database.query("SELECT id FROM things").count == 3)
        }
    }
}
