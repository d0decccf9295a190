import DatabaseFixtures
import Foundation
import Testing

@testable import Storage

@Suite("Values")
struct ValueTests {
    private enum Color: String, SQLConvertible {
        case red
        case green
    }

    private struct Point: Codable, Equatable {
        var x = 1
        var name = "a/b"
    }

    @Test("come back as they were", arguments: Backend.allCases)
    func roundTrip(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await database.execute(
                """
                CREATE TABLE everything (
                    id BIGINT NOT NULL PRIMARY KEY, i BIGINT, r DOUBLE PRECISION, b BOOLEAN, t \(.text), y \(.bytes))
                """)
            let integers: [Int64] = [0, 1, -1, .max, .min]
            let reals = [0.0, -0.5, 1e300, Double.leastNonzeroMagnitude, .infinity, -.infinity, 0.1]
            let texts = [
                "", "a", "ä€😀", "'; DROP TABLE everything; --", "\\x41", "$1 ?1", "{\"a\": 1}", "\r\n\t", "  ",
            ]
            let bytes: [[UInt8]] = [[], [0], [UInt8](0...255), [UInt8](repeating: 92, count: 100_000)]
            var id = 0
            func row(_ column: String) async throws -> Row {
                try #require(try await database.query("SELECT i, r, b, t, y FROM everything WHERE id = \(id)").first)
            }
            for value in integers {
                id += 1
                try await database.execute("INSERT INTO everything (id, i) VALUES (\(id), \(value))")
                #expect(try await row("i")["i"] == value)
            }
            for value in reals {
                id += 1
                try await database.execute("INSERT INTO everything (id, r) VALUES (\(id), \(value))")
                #expect(try await row("r")["r"] == value)
            }
            for value in [true, false] {
                id += 1
                try await database.execute("INSERT INTO everything (id, b) VALUES (\(id), \(value))")
                #expect(try await row("b")["b"] == value)
            }
            for value in texts {
                id += 1
                try await database.execute("INSERT INTO everything (id, t) VALUES (\(id), \(value))")
                #expect(try await row("t")["t"] == value)
            }
            for value in bytes {
                id += 1
                try await database.execute("INSERT INTO everything (id, y) VALUES (\(id), \(value))")
                #expect(try await row("y")["y"] == value)
            }
            id += 1
            let (i, r, b, t, y): (Int?, Double?, Bool?, String?, [UInt8]?) = (nil, nil, nil, nil, nil)
            try await database.execute(
                "INSERT INTO everything (id, i, r, b, t, y) VALUES (\(id), \(i), \(r), \(b), \(t), \(y))")
            let nulls = try await row("")
            #expect(try nulls["i"] == i)
            #expect(try nulls["r"] == r)
            #expect(try nulls["b"] == b)
            #expect(try nulls["t"] == t)
            #expect(try nulls["y"] == y)
        }
    }

    @Test("of types that are made of others", arguments: Backend.allCases)
    func madeOfOthers(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await database.execute("CREATE TABLE things (at BIGINT, color \(.text), point \(.text))")
            let now = Date(timeIntervalSince1970: 1_790_000_000.123)
            try await database.execute(
                "INSERT INTO things (at, color, point) VALUES (\(now), \(Color.green), \(JSONColumn(Point())))")
            let row = try #require(try await database.query("SELECT at, color, point FROM things").first)
            let at: Date = try row["at"]
            #expect(abs(at.timeIntervalSince(now)) < 0.000_5)
            #expect(try row["at"] == Int64(1_790_000_000_123))
            #expect(try row["color"] == Color.green)
            #expect(try row["point"] == "{\"name\":\"a/b\",\"x\":1}")
            let point: JSONColumn<Point> = try row["point"]
            #expect(point.value == Point())
        }
    }

    @Test("that one database does not keep are refused by both", arguments: Backend.allCases)
    func refused(_ backend: Backend) async throws {
        try await backend.withDatabase { database async throws in
            #expect(try await errorCode { _ = try await database.query("SELECT \("a\u{0}b") AS x") } == .invalidValue)
            #expect(try await errorCode { _ = try await database.query("SELECT \(Double.nan) AS x") } == .invalidValue)
            #expect(
                try await errorCode { _ = try await database.query("SELECT \(JSONColumn(Double.nan)) AS x") }
                    == .invalidValue)
        }
    }

    @Test("that are not what is asked for are told by their column", arguments: Backend.allCases)
    func decoding(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            let row = try #require(try await database.query("SELECT \("secret") AS word").first)
            do {
                let _: Int = try row["word"]
                Issue.record("text was read as a number")
            } catch let error as DatabaseError {
                #expect(error.code == .decodingFailed)
                #expect(error.message.contains("word"))
                #expect(!error.message.contains("secret"))
            }
            #expect(throws: DatabaseError.self) { let _: String = try row["absent"] }
        }
    }

    @Test("are ordered alike", arguments: Backend.allCases)
    func order(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await database.execute("CREATE TABLE words (word \(.text) NOT NULL PRIMARY KEY)")
            for word in ["b", "B", "a", "_", "é", "A", "10", "9"] {
                try await database.execute("INSERT INTO words (word) VALUES (\(word))")
            }
            let words: [String] = try await database.query("SELECT word FROM words ORDER BY word").map {
                try $0["word"]
            }
            #expect(words == ["10", "9", "A", "B", "_", "a", "b", "é"])
        }
    }

    @Test("counted by the database start at 1 and are never used again", arguments: Backend.allCases)
    func identity(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            try await database.execute("CREATE TABLE counted (id \(.identity), word \(.text))")
            func insert() async throws -> Int {
                try #require(try await database.query("INSERT INTO counted (word) VALUES ('x') RETURNING id").first)[
                    "id"]
            }
            #expect(try await insert() == 1)
            #expect(try await insert() == 2)
            #expect(try await database.execute("DELETE FROM counted") == 2)
            #expect(try await insert() == 3)
        }
    }

    @Test("summed up by PostgreSQL need a CAST, and the error says so")
    func sums() async throws {
        try await Backend.postgres.withDatabase { database in
            try await database.execute("CREATE TABLE numbers (n BIGINT)")
            try await database.execute("INSERT INTO numbers VALUES (1), (2)")
            #expect(
                try await errorCode { _ = try await database.query("SELECT sum(n) AS n FROM numbers") }
                    == .decodingFailed)
            let row = try await database.query("SELECT CAST(sum(n) AS BIGINT) AS n FROM numbers").first
            #expect(try row?["n"] == 3)
        }
    }
}
