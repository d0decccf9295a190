import DatabaseFixtures
import Testing

@testable import Storage

/// There is no way from a text made at run time into a statement's text: `SQL` is made of literals, and the compiler
/// refuses all else. What is left to show is that values stay values.
@Suite("Injection")
struct InjectionTests {
    static let attacks = [
        "'; DROP TABLE victims; --", "' OR '1'='1", "1; DELETE FROM victims", "\\'; DROP TABLE victims; --",
        "$1", "?1", ":name", "@name", "${1}", "%s", "\u{2019}; DROP TABLE victims; --",
        "'||(SELECT name FROM victims)||'",
        "*/ DROP TABLE victims; /*", "E'\\047'", "$$; DROP TABLE victims; $$", "\\", "\"", "`", "\n--\n",
        "1 UNION SELECT name FROM victims",
    ]

    private func prepare(_ database: Database) async throws {
        try await database.execute("CREATE TABLE victims (name \(.text) NOT NULL PRIMARY KEY)")
        try await database.execute("INSERT INTO victims (name) VALUES ('one'), ('two')")
    }

    private func count(_ database: Database) async throws -> Int {
        try #require(try await database.query("SELECT count(*) AS n FROM victims").first)["n"]
    }

    @Test("values match nothing but themselves", arguments: Backend.allCases)
    func compared(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await prepare(database)
            for attack in Self.attacks {
                #expect(try await database.query("SELECT name FROM victims WHERE name = \(attack)").isEmpty)
                let list = [attack, "x"].map { "\($0)" as SQL }.joined(by: ", ")
                #expect(try await database.query("SELECT name FROM victims WHERE name IN (\(list))").isEmpty)
                #expect(try await database.execute("DELETE FROM victims WHERE name = \(attack)") == 0)
                #expect(try await database.execute("UPDATE victims SET name = 'x' WHERE name = \(attack)") == 0)
            }
            #expect(try await count(database) == 2)
        }
    }

    @Test("values are stored as they are", arguments: Backend.allCases)
    func stored(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await prepare(database)
            let rows = Self.attacks.map { "(\($0))" as SQL }.joined(by: ", ")
            #expect(try await database.execute("INSERT INTO victims (name) VALUES \(rows)") == Self.attacks.count)
            let stored = try await database.query("SELECT name FROM victims").map { try $0["name"] as String }
            #expect(Set(stored) == Set(Self.attacks + ["one", "two"]))
        }
    }

    @Test("a notification's payload is a value", arguments: Backend.allCases)
    func notified(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await prepare(database)
            try await database.withNotifications("attacks") { notifications in
                var heard = notifications.makeAsyncIterator()
                #expect(try await heard.next() == .catchUp)
                for attack in Self.attacks {
                    try await database.transaction { try await $0.notify("attacks", attack) }
                    #expect(try await heard.next() == .message(attack))
                }
            }
            #expect(try await count(database) == 2)
        }
    }

    @Test("a fragment carries its values along, in their order")
    func fragments() throws {
        let condition: SQL = "b = \(2) AND c = \("three")"
        let sql: SQL = "SELECT \(1) WHERE \(condition) OR d = \(4.0)"
        let postgres = try Statement(sql, for: .postgres)
        #expect(postgres.text == "SELECT $1 WHERE b = $2 AND c = $3 OR d = $4")
        #expect(postgres.binds.map(\.value) == [.integer(1), .integer(2), .text("three"), .real(4)])
        #expect(try Statement(sql, for: .sqlite).text == "SELECT ?1 WHERE b = ?2 AND c = ?3 OR d = ?4")
    }

    @Test("too many values are refused before they are sent")
    func tooMany() {
        let values = (0..<40_000).map { "\($0)" as SQL }.joined(by: ", ")
        #expect(throws: DatabaseError.self) { try Statement("SELECT 1 WHERE 1 IN (\(values))", for: .sqlite) }
    }
}
