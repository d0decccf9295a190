import DatabaseFixtures
import Testing

@testable import Storage

@Suite("Reading row by row")
struct ReadingTests {
    private struct Enough: Error {}

    private func prepare(_ database: Database, rows: Int) async throws {
        try await database.execute("CREATE TABLE records (id BIGINT NOT NULL PRIMARY KEY, content \(.bytes) NOT NULL)")
        let content = [UInt8](repeating: 7, count: 10_000)
        for start in stride(from: 0, to: rows, by: 500) {
            let values = (start..<min(start + 500, rows)).map { "(\($0), \(content))" as SQL }.joined(by: ", ")
            try await database.execute("INSERT INTO records (id, content) VALUES \(values)")
        }
    }

    @Test("gives every row once, in order", arguments: Backend.allCases)
    func all(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await prepare(database, rows: 2000)
            var ids: [Int] = []
            var bytes = 0
            try await database.forEach("SELECT id, content FROM records ORDER BY id") { row in
                ids.append(try row["id"])
                bytes += (try row["content"] as [UInt8]).count
            }
            #expect(ids == Array(0..<2000))
            #expect(bytes == 20_000_000)
            try await database.transaction { transaction in
                var count = 0
                try await transaction.forEach("SELECT id FROM records") { _ in count += 1 }
                #expect(count == 2000)
                #expect(try await transaction.execute("DELETE FROM records WHERE id < 10") == 10)
            }
        }
    }

    @Test("stops where the body throws, and the connection goes on", arguments: Backend.allCases)
    func stopped(_ backend: Backend) async throws {
        try await backend.withDatabase({ $0.connections = 1 }) { database in
            try await prepare(database, rows: 2000)
            for _ in 0..<3 {
                var count = 0
                await #expect(throws: Enough.self) {
                    try await database.forEach("SELECT id, content FROM records") { _ in
                        count += 1
                        if count == 3 { throw Enough() }
                    }
                }
                #expect(count == 3)
                #expect(try await database.query("SELECT 1 AS one").first?["one"] == 1)
            }
        }
    }

    @Test("leaves no room for another statement of the transaction", arguments: Backend.allCases)
    func another(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await prepare(database, rows: 10)
            let code = try await errorCode {
                try await database.transaction { transaction in
                    try await transaction.forEach("SELECT id FROM records") { _ in
                        try await transaction.execute("DELETE FROM records")
                    }
                }
            }
            #expect(code == .transactionFailed)
            #expect(try await database.query("SELECT count(*) AS n FROM records").first?["n"] == 10)
        }
    }

    @Test("tells an error that comes after the first rows", arguments: Backend.allCases)
    func lateError(_ backend: Backend) async throws {
        try await backend.withDatabase({ $0.statementTimeout = .milliseconds(300) }) { database in
            let code = try await errorCode {
                try await database.forEach(
                    "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers) SELECT n FROM numbers"
                ) { _ in }
            }
            #expect(code == .statementTimeout)
            try await eventuallyInTime { try await database.query("SELECT 1 AS one").first?["one"] == 1 }
        }
    }
}
