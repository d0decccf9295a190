import DatabaseFixtures
import Foundation
import Glibc
import Testing

@testable import Storage

@Suite("SQLite")
struct SQLiteTests {
    private func withFile<Result>(
        _ body: (String, DatabaseLocation) async throws -> Result
    ) async throws -> Result {
        try await withTemporaryFolder { folder in
            try await body(folder + "/paddock.sqlite", DatabaseLocation(url: nil, stateFolder: folder))
        }
    }

    @Test("its files are for their owner only, in WAL mode, and each commit is on the disk")
    func files() async throws {
        try await withFile { path, location in
            try await location.withDatabase { database in
                try await database.execute("CREATE TABLE things (id BIGINT)")
                for file in [path, "\(path)-wal", "\(path)-shm"] {
                    var info = stat()
                    #expect(stat(file, &info) == 0)
                    #expect(info.st_mode & 0o777 == 0o600)
                }
                try await database.transaction { transaction async throws in
                    #expect(try await transaction.query("PRAGMA journal_mode").first?["journal_mode"] == "wal")
                    // FULL.
                    #expect(try await transaction.query("PRAGMA synchronous").first?["synchronous"] == 2)
                    #expect(try await transaction.query("PRAGMA foreign_keys").first?["foreign_keys"] == 1)
                }
            }
        }
    }

    @Test("a file that others could read is closed to them")
    func mode() async throws {
        try await withFile { path, location in
            #expect(FileManager.default.createFile(atPath: path, contents: nil, attributes: [.posixPermissions: 0o644]))
            try await location.withDatabase { _ = try await $0.query("SELECT 1") }
            var info = stat()
            #expect(stat(path, &info) == 0)
            #expect(info.st_mode & 0o777 == 0o600)
        }
    }

    @Test("a file that is removed while in use is unavailable, and not written to without a name")
    func removed() async throws {
        try await withFile { path, location in
            try await location.withDatabase { database in
                try await database.execute("CREATE TABLE things (id BIGINT)")
                try FileManager.default.moveItem(atPath: path, toPath: path + ".away")
                let code = try await errorCode { try await database.execute("INSERT INTO things VALUES (1)") }
                #expect(code == .databaseUnavailable)
                #expect(try await errorCode { _ = try await database.query("SELECT 1") } == .databaseUnavailable)
                try FileManager.default.moveItem(atPath: path + ".away", toPath: path)
                try await database.execute("INSERT INTO things VALUES (1)")
            }
        }
    }

    @Test("a folder that is not there, and a file that is no database, are unavailable")
    func unusable() async throws {
        try await withFile { path, location in
            let absent = try DatabaseLocation(url: nil, stateFolder: "/nowhere")
            #expect(
                try await errorCode { try await absent.withDatabase { _ = try await $0.query("SELECT 1") } }
                    == .databaseUnavailable)
            try Data(repeating: 65, count: 8192).write(to: URL(filePath: path))
            #expect(
                try await errorCode { try await location.withDatabase { _ = try await $0.query("SELECT 1") } }
                    == .databaseUnavailable)
        }
    }

    @Test("a writer waits for that of another process, and no longer than its deadline")
    func otherProcess() async throws {
        try await withFile { _, location in
            var configuration = Database.Configuration()
            configuration.acquireTimeout = .seconds(5)
            // Each has connections of its own, as if in another process.
            try await location.withDatabase(configuration) { one in
                try await one.execute("CREATE TABLE things (id BIGINT)")
                try await location.withDatabase(configuration) { other in
                    try await one.transaction { transaction in
                        try await transaction.execute("INSERT INTO things VALUES (1)")
                        #expect(try await errorCode { try await other.transaction { _ in } } == .databaseBusy)
                        // Who reads is not held back.
                        #expect(try await other.query("SELECT id FROM things").isEmpty)
                    }
                    try await other.transaction { try await $0.execute("INSERT INTO things VALUES (2)") }
                }
                #expect(try await one.query("SELECT id FROM things").count == 2)
            }
        }
    }

    @Test("a disk that is full is unavailable and nothing is written; with room again, it goes on")
    func full() async throws {
        try await withFile { _, location in
            try await location.withDatabase { database in
                try await database.execute("CREATE TABLE things (content \(.bytes))")
                // SQLite's own limit gives the same error as a disk.
                _ = try await database.transaction { try await $0.query("PRAGMA max_page_count = 20") }
                let content = [UInt8](repeating: 1, count: 200_000)
                let code = try await errorCode {
                    try await database.transaction { transaction in
                        try await transaction.execute("INSERT INTO things VALUES (\([1] as [UInt8]))")
                        try await transaction.execute("INSERT INTO things VALUES (\(content))")
                    }
                }
                #expect(code == .databaseUnavailable)
                #expect(try await database.query("SELECT content FROM things").isEmpty)
                _ = try await database.transaction { try await $0.query("PRAGMA max_page_count = 1000000") }
                try await database.execute("INSERT INTO things VALUES (\(content))")
            }
        }
    }
}
