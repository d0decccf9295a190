import DatabaseFixtures
import Testing

@testable import Storage

@Suite("Statements that nobody waits for")
struct LaterTests {
    private static let endless: SQL =
        """
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n > 0)
        SELECT count(*) AS n FROM numbers
        """

    private func withAccounts(
        _ backend: Backend, _ change: (inout Database.Configuration) -> Void = { _ in },
        _ body: (Database) async throws -> Void
    ) async throws {
        var configuration = Database.Configuration.patient
        // What one leaves behind on its connection, the next one finds.
        configuration.connections = 1
        change(&configuration)
        try await backend.withLocation { location in
            // Apart: a time that is short for statements is not theirs.
            try await location.withDatabase { database in
                try await database.execute(
                    """
                    CREATE TABLE accounts (
                        name \(.text) NOT NULL PRIMARY KEY, cents BIGINT NOT NULL CHECK (cents >= 0))
                    """)
                try await database.execute("INSERT INTO accounts (name, cents) VALUES ('a', 0), ('b', 0)")
            }
            try await location.withDatabase(configuration, body)
        }
    }

    private func cents(_ executor: some SQLExecutor, _ name: String) async throws -> Int {
        try #require(try await executor.query("SELECT cents FROM accounts WHERE name = \(name)").first)["cents"]
    }

    private func add(_ cents: Int, to name: String) -> SQL {
        "UPDATE accounts SET cents = cents + \(cents) WHERE name = \(name)"
    }

    @Test("run in order, before the next one and before the commit", arguments: Backend.allCases)
    func order(_ backend: Backend) async throws {
        try await withAccounts(backend) { database async throws in
            // More often than it takes until they are prepared on the connection.
            for round in 1...5 {
                try await database.transaction { transaction async throws in
                    try transaction.executeLater(add(1, to: "a"))
                    try transaction.executeLater("UPDATE accounts SET cents = 2 * cents WHERE name = \("a")")
                    #expect(try await transaction.execute(add(0, to: "a")) == 1)
                    #expect(try await cents(transaction, "a") == 2)
                    try transaction.executeLater(add(3, to: "b"))
                    try transaction.executeLater(add(-2, to: "a"))
                }
                #expect(try await cents(database, "a") == 0)
                #expect(try await cents(database, "b") == 3 * round)
            }
        }
    }

    @Test("run before rows are read one by one, and before a notification", arguments: Backend.allCases)
    func mixed(_ backend: Backend) async throws {
        try await withAccounts(backend) { database async throws in
            try await database.withNotifications("news") { notifications async throws in
                var heard = notifications.makeAsyncIterator()
                #expect(try await heard.next() == .catchUp)
                try await database.transaction { transaction async throws in
                    try transaction.executeLater(add(7, to: "a"))
                    try await transaction.forEach("SELECT cents FROM accounts WHERE name = 'a'") { row in
                        let cents: Int = try row["cents"]
                        #expect(cents == 7)
                    }
                    try transaction.executeLater(add(1, to: "a"))
                    try await transaction.notify("news", "a")
                }
                #expect(try await heard.next() == .message("a"))
                #expect(try await cents(database, "a") == 8)
            }
        }
    }

    @Test("alone in a transaction are written as well", arguments: Backend.allCases)
    func alone(_ backend: Backend) async throws {
        try await withAccounts(backend) { database async throws in
            for _ in 0..<3 { try await database.transaction { try $0.executeLater(add(1, to: "a")) } }
            #expect(try await cents(database, "a") == 3)
        }
    }

    @Test("that throw, or are never sent because the closure throws, leave nothing", arguments: Backend.allCases)
    func rollback(_ backend: Backend) async throws {
        struct Refused: Error {}
        try await withAccounts(backend) { database async throws in
            await #expect(throws: Refused.self) {
                try await database.transaction { transaction async throws in
                    try transaction.executeLater(add(1, to: "a"))
                    throw Refused()
                }
            }
            #expect(try await cents(database, "a") == 0)
        }
    }

    @Test("in the middle of which one fails are not written, and the error says which", arguments: Backend.allCases)
    func failed(_ backend: Backend) async throws {
        try await withAccounts(backend) { database async throws in
            // The rounds leave statements prepared, or left out, on the connection.
            for _ in 0..<4 {
                let error = try await #require(throws: DatabaseError.self) {
                    try await database.transaction { transaction async throws in
                        try transaction.executeLater(add(1, to: "a"))
                        try transaction.executeLater("INSERT INTO accounts (name, cents) VALUES (\("a"), 1)")
                        try transaction.executeLater("DELETE FROM accounts WHERE name = \("b")")
                        let first = try await errorCode { try await transaction.execute(add(1, to: "b")) }
                        #expect(first == .uniqueViolation)
                        #expect(try await errorCode { _ = try await cents(transaction, "a") } == .transactionFailed)
                        #expect(
                            try await errorCode { try transaction.executeLater(add(1, to: "a")) } == .transactionFailed)
                    }
                }
                #expect(error.code == .transactionFailed)
                #expect((error.cause as? DatabaseError)?.message.contains("INSERT INTO accounts") == true)
                #expect(try await cents(database, "a") == 0)
            }
            try await database.transaction { transaction async throws in
                try transaction.executeLater("DELETE FROM accounts WHERE name = \("b")")
                try await transaction.execute(add(1, to: "a"))
            }
            #expect(try await cents(database, "a") == 1)
            #expect(try await database.query("SELECT name FROM accounts").count == 1)
        }
    }

    @Test("with the commit of which one fails are not written, and the error says which", arguments: Backend.allCases)
    func failedCommit(_ backend: Backend) async throws {
        try await withAccounts(backend) { database async throws in
            for isAlone in [true, false, true, false] {
                let error = try await #require(throws: DatabaseError.self) {
                    try await database.transaction { transaction async throws in
                        if !isAlone { #expect(try await cents(transaction, "a") == 0) }
                        try transaction.executeLater(add(1, to: "b"))
                        try transaction.executeLater(add(-1, to: "a"))
                        try transaction.executeLater(add(1, to: "b"))
                    }
                }
                #expect(error.code == .checkViolation)
                #expect(error.message.contains("UPDATE accounts SET"))
                #expect(try await cents(database, "b") == 0)
            }
            try await database.transaction { try $0.executeLater(add(1, to: "b")) }
            #expect(try await cents(database, "b") == 1)
        }
    }

    @Test("one of which takes too long are stopped, and the connection goes on", arguments: Backend.allCases)
    func timeout(_ backend: Backend) async throws {
        try await withAccounts(backend, { $0.statementTimeout = .milliseconds(500) }) { database async throws in
            for isWithCommit in [true, false] {
                let code = try await errorCode {
                    try await database.transaction { transaction async throws in
                        try await transaction.execute(add(1, to: "a"))
                        try transaction.executeLater(add(1, to: "a"))
                        try transaction.executeLater(Self.endless)
                        if !isWithCommit { try await transaction.execute(add(1, to: "b")) }
                    }
                }
                #expect(code == .statementTimeout)
                try await eventuallyInTime { try await cents(database, "a") == 0 }
            }
        }
    }

    @Test("are stopped when their task is cancelled, and nothing is written", arguments: Backend.allCases)
    func cancelled(_ backend: Backend) async throws {
        try await withAccounts(backend, { $0.statementTimeout = .seconds(600) }) { database async throws in
            let isInside = OneShot<Void>()
            let task = Task {
                try await database.transaction { transaction async throws in
                    try await transaction.execute(add(1, to: "a"))
                    try transaction.executeLater(Self.endless)
                    isInside.give(.success(()))
                    try await transaction.execute(add(1, to: "b"))
                }
            }
            try await isInside.value()
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(try await cents(database, "a") == 0)
        }
    }

    @Test("are tried again with the rest when others are in the way", arguments: Backend.allCases)
    func increments(_ backend: Backend) async throws {
        try await withAccounts(
            backend,
            {
                $0.connections = 8
                $0.attempts = 200
            }
        ) { database async throws in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        for _ in 0..<25 {
                            try await database.transaction { transaction async throws in
                                let before = try await cents(transaction, "a")
                                try transaction.executeLater(
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

    @Test("see what was committed while a lock before them was waited for", .timeLimit(.minutes(5)))
    func readCommitted() async throws {
        try await withAccounts(.postgres, { $0.connections = 4 }) { database async throws in
            let holds = OneShot<Void>()
            async let first: Void = database.transaction(isolation: .readCommitted) { transaction async throws in
                try await transaction.execute("SELECT name FROM accounts WHERE name = 'a' FOR UPDATE")
                holds.give(.success(()))
                try await eventually {
                    let waiting = try await database.query(
                        "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
                    )
                    return !waiting.isEmpty
                }
                // Of another row than the one that is waited for.
                try await transaction.execute(add(5, to: "b"))
            }
            try await holds.value()
            let seen = try await database.transaction(isolation: .readCommitted) { transaction async throws in
                try transaction.executeLater("SELECT name FROM accounts WHERE name = 'a' FOR UPDATE")
                return try await cents(transaction, "b")
            }
            try await first
            #expect(seen == 5)
        }
    }
}
