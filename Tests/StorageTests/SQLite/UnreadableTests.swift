import DatabaseFixtures
import Foundation
import Glibc
import Testing

@testable import Storage

@Suite("A file of SQLite's that cannot be read")
struct UnreadableTests {
    @Test("is unavailable at once, however long a connection may be waited for", .timeLimit(.minutes(2)))
    func begin() async throws {
        try await withTemporaryFolder { folder in
            let location = try DatabaseLocation(url: nil, stateFolder: folder)
            var configuration = Database.Configuration()
            configuration.acquireTimeout = .seconds(3600)
            try await location.withDatabase(configuration) { database in
                try await database.execute("CREATE TABLE things (id BIGINT)")
                // What the first one has in memory is out of date then.
                _ = try await location.withDatabase { try await $0.execute("INSERT INTO things VALUES (1)") }
                try makeUnreadable("\(folder)/paddock.sqlite-wal")
                #expect(try await errorCode { try await database.transaction { _ in } } == .databaseUnavailable)
            }
        }
    }

    /// A folder in the file's place, in each of this process's descriptors: to read from it is an error.
    private func makeUnreadable(_ path: String) throws {
        let folder = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        defer { close(folder) }
        var count = 0
        for name in try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
            guard let descriptor = CInt(name),
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(name)")) == path
            else { continue }
            #expect(dup2(folder, descriptor) == descriptor)
            count += 1
        }
        #expect(count > 0)
    }
}
