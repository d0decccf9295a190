import DatabaseFixtures
import Testing

@testable import Storage

@Suite("Connections")
struct PoolTests {
    @Test("are shared by many more users than there are", arguments: Backend.allCases)
    func shared(_ backend: Backend) async throws {
        try await backend.withDatabase({ $0.connections = 4 }) { database in
            try await database.execute("CREATE TABLE visits (id BIGINT NOT NULL PRIMARY KEY)")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for id in 0..<200 {
                    group.addTask {
                        try await database.execute("INSERT INTO visits (id) VALUES (\(id))")
                        #expect(try await database.query("SELECT id FROM visits WHERE id = \(id)").count == 1)
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await database.query("SELECT count(*) AS n FROM visits").first?["n"] == 200)
        }
    }

    @Test("that are all in use are waited for until the deadline, and no longer", arguments: Backend.allCases)
    func busy(_ backend: Backend) async throws {
        try await backend.withDatabase({
            $0.connections = 1
            $0.acquireTimeout = .seconds(5)
        }) { database in
            try await database.transaction { _ in
                let code = try await errorCode { try await database.transaction { _ in } }
                #expect(code == .databaseBusy)
            }
            try await database.transaction { _ in }
        }
    }

    @Test("are waited for in turn, and those who are cancelled leave", arguments: Backend.allCases)
    func waiting(_ backend: Backend) async throws {
        try await backend.withDatabase({ $0.connections = 1 }) { database in
            let cancelled = try await database.transaction { _ in
                let waiter = Task { try await database.transaction { _ in } }
                waiter.cancel()
                return await waiter.result
            }
            #expect(throws: CancellationError.self) { try cancelled.get() }
            try await database.transaction { _ in }
        }
    }

    @Test("are not given out once the database is closed", arguments: Backend.allCases)
    func closed(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await database.transaction { transaction async throws in
                await database.close()
                #expect(try await transaction.query("SELECT 1 AS one").first?["one"] == 1)
            }
            let code = try await errorCode { _ = try await database.query("SELECT 1") }
            #expect(code == .databaseClosed)
        }
    }
}
