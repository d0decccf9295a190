import DatabaseFixtures
import Testing

@testable import Storage

@Suite("Errors")
struct ErrorTests {
    private static let endless: SQL =
        """
        WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n > 0)
        SELECT count(*) AS n FROM numbers
        """

    @Test("have the same codes, and hold no values", arguments: Backend.allCases)
    func codes(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await database.execute("CREATE TABLE owners (id \(.text) NOT NULL PRIMARY KEY)")
            try await database.execute(
                """
                CREATE TABLE things (
                    id \(.text) NOT NULL PRIMARY KEY, owner \(.text) NOT NULL REFERENCES owners (id),
                    size BIGINT NOT NULL CHECK (size > 0))
                """)
            try await database.execute("INSERT INTO owners (id) VALUES ('me')")
            try await database.execute("INSERT INTO things (id, owner, size) VALUES ('hush', 'me', 1)")
            let nothing: String? = nil
            let cases: [(SQL, DatabaseError.Code)] = [
                ("INSERT INTO things (id, owner, size) VALUES (\("hush"), 'me', 1)", .uniqueViolation),
                ("INSERT INTO things (id, owner, size) VALUES ('b', \("hush"), 1)", .foreignKeyViolation),
                ("INSERT INTO things (id, owner, size) VALUES ('b', 'me', \(-4711))", .checkViolation),
                ("INSERT INTO things (id, owner, size) VALUES ('b', \(nothing), 1)", .notNullViolation),
                ("DELETE FROM owners WHERE id = \("me")", .foreignKeyViolation),
                ("SELECT FROM WHERE \("hush")", .invalidStatement),
                ("SELECT \("hush") FROM absent", .invalidStatement),
            ]
            for (statement, code) in cases {
                do {
                    try await database.execute(statement)
                    Issue.record("no error: \(code)")
                } catch let error as DatabaseError {
                    #expect(error.code == code)
                    #expect(!String(describing: error).contains("hush"))
                    #expect(!String(describing: error).contains("4711"))
                }
            }
            #expect(try await database.query("SELECT count(*) AS n FROM things").first?["n"] == 1)
        }
    }

    @Test("a statement that takes too long is stopped, and the connection goes on", arguments: Backend.allCases)
    func timeout(_ backend: Backend) async throws {
        try await backend.withDatabase({
            $0.statementTimeout = .milliseconds(200)
            $0.connections = 1
        }) { database in
            #expect(try await errorCode { _ = try await database.query(Self.endless) } == .statementTimeout)
            try await eventuallyInTime { try await database.query("SELECT 1 AS one").first?["one"] == 1 }
            let code = try await errorCode {
                try await database.transaction { transaction in
                    try await transaction.execute("CREATE TABLE things (id BIGINT)")
                    _ = try await transaction.query(Self.endless)
                }
            }
            #expect(code == .statementTimeout)
            try await eventually {
                try await errorCode { _ = try await database.query("SELECT id FROM things") } == .invalidStatement
            }
        }
    }

    @Test("a statement whose task is cancelled ends soon", arguments: Backend.allCases)
    func cancelled(_ backend: Backend) async throws {
        try await backend.withDatabase({
            $0.connections = 1
            $0.statementTimeout = .seconds(600)
        }) { database in
            try await database.execute("CREATE TABLE started (n BIGINT)")
            let task = Task { try await database.query(Self.endless) }
            try await Task.sleep(for: .milliseconds(50))
            let start = ContinuousClock.now
            task.cancel()
            await #expect(throws: CancellationError.self) { _ = try await task.value }
            // Far less than the statement's 600 s.
            #expect(ContinuousClock.now - start < .seconds(60))
            #expect(try await database.query("SELECT 1 AS one").first?["one"] == 1)
        }
    }
}
