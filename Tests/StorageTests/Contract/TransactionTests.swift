import DatabaseFixtures
import NIOConcurrencyHelpers
import Testing

@testable import Storage

@Suite("Transactions")
struct TransactionTests {
    private struct Refused: Error {}

    private func prepare(_ database: Database) async throws {
        try await database.execute("CREATE TABLE accounts (name \(.text) NOT NULL PRIMARY KEY, cents BIGINT NOT NULL)")
        try await database.execute("INSERT INTO accounts (name, cents) VALUES ('a', 0), ('b', 0)")
    }

    private func cents(_ database: some SQLExecutor, _ name: String) async throws -> Int {
        try #require(try await database.query("SELECT cents FROM accounts WHERE name = \(name)").first)["cents"]
    }

    @Test("are seen by others once they are committed, and by themselves before", arguments: Backend.allCases)
    func commit(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await prepare(database)
            try await database.transaction { transaction async throws in
                #expect(try await transaction.execute("UPDATE accounts SET cents = 5 WHERE name = 'a'") == 1)
                #expect(try await cents(transaction, "a") == 5)
                #expect(try await cents(database, "a") == 0)
            }
            #expect(try await cents(database, "a") == 5)
        }
    }

    @Test("that throw leave nothing behind", arguments: Backend.allCases)
    func rollback(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await prepare(database)
            await #expect(throws: Refused.self) {
                try await database.transaction { transaction in
                    try await transaction.execute("UPDATE accounts SET cents = 5")
                    throw Refused()
                }
            }
            #expect(try await cents(database, "a") == 0)
        }
    }

    @Test("that are cancelled leave nothing behind, and the connection goes on", arguments: Backend.allCases)
    func cancelled(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await prepare(database)
            let isInside = OneShot<Void>()
            let task = Task {
                try await database.transaction { transaction in
                    try await transaction.execute("UPDATE accounts SET cents = 5")
                    isInside.give(.success(()))
                    while !Task.isCancelled { await Task.yield() }
                }
            }
            try await isInside.value()
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(try await cents(database, "a") == 0)
        }
    }

    @Test("cannot go on after a statement that failed, nor be committed", arguments: Backend.allCases)
    func failed(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await prepare(database)
            let code = try await errorCode {
                try await database.transaction { transaction in
                    try await transaction.execute("UPDATE accounts SET cents = 5")
                    let first = try await errorCode {
                        try await transaction.execute("INSERT INTO accounts VALUES ('a', 1)")
                    }
                    #expect(first == .uniqueViolation)
                    let second = try await errorCode { try await transaction.execute("UPDATE accounts SET cents = 6") }
                    #expect(second == .transactionFailed)
                }
            }
            #expect(code == .transactionFailed)
            #expect(try await cents(database, "a") == 0)
        }
    }

    @Test("cannot be used once they have ended", arguments: Backend.allCases)
    func ended(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await prepare(database)
            let kept = try await database.transaction { $0 }
            #expect(
                try await errorCode { try await kept.execute("UPDATE accounts SET cents = 6") } == .transactionFailed)
            #expect(try await cents(database, "a") == 0)
        }
    }

    @Test("that read and then write lose no update to each other", arguments: Backend.allCases)
    func increments(_ backend: Backend) async throws {
        try await backend.withDatabase({ $0.attempts = 200 }) { database in
            try await prepare(database)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        for _ in 0..<25 {
                            try await database.transaction { transaction in
                                let before = try await cents(transaction, "a")
                                try await transaction.execute(
                                    "UPDATE accounts SET cents = \(before + 1) WHERE name = 'a'")
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await cents(database, "a") == 200)
        }
    }

    @Test("that decide by what others write cannot both win", arguments: Backend.allCases)
    func writeSkew(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await prepare(database)
            // Each may raise its own account only while the other one is empty.
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (mine, other) in [("a", "b"), ("b", "a")] {
                    group.addTask {
                        try await database.transaction { transaction in
                            guard try await cents(transaction, other) == 0 else { return }
                            try await transaction.execute("UPDATE accounts SET cents = 1 WHERE name = \(mine)")
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await cents(database, "a") + cents(database, "b") == 1)
        }
    }

    @Test("that are always disturbed give up, and say why")
    func conflict() async throws {
        try await Backend.postgres.withDatabase({ $0.attempts = 3 }) { database in
            try await prepare(database)
            let tries = NIOLockedValueBox(0)
            let code = try await errorCode {
                try await database.transaction { transaction in
                    tries.withLockedValue { $0 += 1 }
                    let before = try await cents(transaction, "a")
                    try await database.execute("UPDATE accounts SET cents = cents + 1 WHERE name = 'a'")
                    try await transaction.execute("UPDATE accounts SET cents = \(before + 100) WHERE name = 'a'")
                }
            }
            #expect(code == .transactionConflict)
            #expect(tries.withLockedValue { $0 } == 3)
            #expect(try await cents(database, "a") == 3)
        }
    }

    @Test("that claim rows get each row once", arguments: Backend.allCases)
    func claims(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await database.execute("CREATE TABLE jobs (id BIGINT NOT NULL PRIMARY KEY, is_taken BOOLEAN NOT NULL)")
            let jobs = (0..<100).map { "(\($0), \(false))" as SQL }.joined(by: ", ")
            try await database.execute("INSERT INTO jobs (id, is_taken) VALUES \(jobs)")
            let taken = try await withThrowingTaskGroup(of: [Int].self, returning: [Int].self) { group in
                for _ in 0..<6 {
                    group.addTask {
                        var mine: [Int] = []
                        while true {
                            let rows = try await database.transaction(isolation: .readCommitted) { transaction in
                                try await transaction.query(
                                    """
                                    UPDATE jobs SET is_taken = \(true) WHERE id = (
                                        SELECT id FROM jobs WHERE is_taken = \(false) ORDER BY id LIMIT 1 \(.forUpdateSkipLocked))
                                    RETURNING id
                                    """)
                            }
                            guard let row = rows.first else { return mine }
                            mine.append(try row["id"])
                        }
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(taken.sorted() == Array(0..<100))
        }
    }
}
