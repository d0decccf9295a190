import DatabaseFixtures
import Testing

@testable import Storage

@Suite("Migrations")
struct MigrationTests {
    private static let first = Migration(1, "first", ["CREATE TABLE a (id BIGINT)", "INSERT INTO a (id) VALUES (1)"])
    private static let second = Migration(2, "second", ["CREATE TABLE b (name \(.text))"])
    private static let broken = Migration(3, "broken", ["CREATE TABLE c (id BIGINT)", "CREATE TABLE a (id BIGINT)"])

    @Test("of Paddock are applied once", arguments: Backend.allCases)
    func ours(_ backend: Backend) async throws {
        try await backend.withDatabase { database async throws in
            #expect(try await database.migrate() == Schema.migrations.count)
            #expect(try await database.migrate() == 0)
        }
    }

    /// What has been released is never changed: a database that has it would be refused. From the first release on, add
    /// to this list, and change nothing in it.
    @Test("that were released are as they were")
    func released() {
        #expect(Schema.migrations.map(\.number) == Array(1...Schema.migrations.count))
        let released: [String] = []
        #expect(Schema.migrations.map(\.checksum).starts(with: released))
    }

    @Test("are applied once when many nodes start together", arguments: Backend.allCases)
    func together(_ backend: Backend) async throws {
        try await backend.withLocation { location in
            let counts = try await withThrowingTaskGroup(of: Int.self, returning: [Int].self) { group in
                for _ in 0..<6 {
                    group.addTask {
                        try await location.withDatabase {
                            try await Migrator(database: $0, migrations: [Self.first, Self.second]).run()
                        }
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(counts.reduce(0, +) == 2)
            try await location.withDatabase { database async throws in
                #expect(try await database.query("SELECT id FROM a").count == 1)
                #expect(try await database.query("SELECT number FROM paddock_migrations").count == 2)
            }
        }
    }

    @Test("that fail leave the schema as it was before them", arguments: Backend.allCases)
    func failing(_ backend: Backend) async throws {
        try await backend.withDatabase { database async throws in
            let migrator = Migrator(database: database, migrations: [Self.first, Self.second, Self.broken])
            #expect(try await errorCode { _ = try await migrator.run() } == .invalidStatement)
            #expect(try await database.query("SELECT number FROM paddock_migrations").count == 2)
            #expect(try await errorCode { _ = try await database.query("SELECT id FROM c") } == .invalidStatement)
        }
    }

    @Test("of a newer paddock are refused, and so are changed ones", arguments: Backend.allCases)
    func refused(_ backend: Backend) async throws {
        try await backend.withDatabase { database in
            _ = try await Migrator(database: database, migrations: [Self.first, Self.second]).run()
            func refusal(_ migrations: [Migration]) async throws -> String? {
                do {
                    _ = try await Migrator(database: database, migrations: migrations).run()
                    return nil
                } catch let error as DatabaseError where error.code == .migrationRefused {
                    return error.message
                }
            }
            #expect(try await refusal([Self.first])?.contains("its schema is at 2 (second)") == true)
            let changed = Migration(1, "first", ["CREATE TABLE a (id BIGINT )", "INSERT INTO a (id) VALUES (1)"])
            #expect(try await refusal([changed, Self.second])?.contains("its migration 1 (first)") == true)
            #expect(try await refusal([Self.first, Self.second]) == nil)
        }
    }
}
