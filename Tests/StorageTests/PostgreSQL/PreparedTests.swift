import DatabaseFixtures
import Testing

@testable import Storage

@Suite("Statements that PostgreSQL prepares")
struct PreparedTests {
    /// - Parameter isAlone: nothing of the transaction is waited for before its commit.
    @Test("and cannot prepare any more are not taken for written", .timeLimit(.minutes(2)), arguments: [false, true])
    func refused(isAlone: Bool) async throws {
        try await Backend.postgres.withDatabase({ $0.connections = 1 }) { database in
            try await database.execute("CREATE TABLE accounts (name TEXT NOT NULL, cents BIGINT NOT NULL)")
            try await database.execute("INSERT INTO accounts (name, cents) VALUES ('a', 0)")
            let payment: SQL = "UPDATE accounts SET cents = cents + \(1) WHERE name = \("a")"
            try await database.transaction { try $0.executeLater(payment) }
            // The second time it is prepared, which the server refuses now.
            try await database.execute("ALTER TABLE accounts RENAME COLUMN name TO title")
            let error = try await #require(throws: DatabaseError.self) {
                try await database.transaction { transaction in
                    if !isAlone { try await transaction.execute("UPDATE accounts SET cents = cents + 10") }
                    try transaction.executeLater(payment)
                }
            }
            #expect(error.code == .invalidStatement)
            #expect(error.message.contains("UPDATE accounts SET"))
            #expect(try await database.query("SELECT cents FROM accounts").first?["cents"] == 1)
        }
    }
}
