import Foundation
package import Storage

/// A PostgreSQL server of the tests' own, on a unix socket in a temporary folder; `private-cluster.sh` owns it.
package final class PrivateCluster: Sendable {
    package let folder: String
    private let script: ServerScript

    private init(folder: String, script: ServerScript) {
        self.folder = folder
        self.script = script
    }

    /// Of all tests that only want a server, for as long as the process lives.
    package static let shared = Task { try await started() }

    /// What it is for.
    package enum Kind: String, Sendable {
        /// Quick: what it has committed is lost when the machine goes down.
        case plain = ""
        /// Quick, and listens on the loopback interface, with TLS.
        case tls
        /// As PostgreSQL comes: a commit waits for the disk.
        case durable
    }

    private static func started(_ kind: Kind = .plain, in folder: String? = nil) async throws -> PrivateCluster {
        let folder = folder ?? "/tmp/paddock-postgres-\(UInt64.random(in: 0...UInt64.max))"
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "private-cluster.sh").path
        let cluster = PrivateCluster(
            folder: folder, script: try await ServerScript(path, [folder, kind.rawValue]))
        try await cluster.send("start")
        return cluster
    }

    /// A server that the test may stop, kill and hang.
    /// - Parameter folder: not there yet; nil for one of its own.
    package static func with<Result>(
        _ kind: Kind = .plain, in folder: String? = nil, _ body: (PrivateCluster) async throws -> Result
    ) async throws -> Result {
        let cluster = try await started(kind, in: folder)
        do {
            let result = try await body(cluster)
            await cluster.script.end()
            return result
        } catch {
            await cluster.script.end()
            throw error
        }
    }

    /// A database of the test's own.
    package func withNewDatabase<Result>(_ body: (String) async throws -> Result) async throws -> Result {
        let name = "test_\(UInt32.random(in: 0...UInt32.max))"
        try await send("create \(name)")
        do {
            let result = try await body(name)
            try await send("drop \(name)")
            return result
        } catch {
            _ = try? await send("drop \(name)")
            throw error
        }
    }

    /// Where a database of the test's own is.
    package func withNewLocation<Result>(_ body: (DatabaseLocation) async throws -> Result) async throws -> Result {
        try await withNewDatabase { try await body(DatabaseLocation(url: url(database: $0), stateFolder: "/")) }
    }

    /// - Parameter name: letters, digits and underscores.
    package func url(database name: String = "postgres") -> String {
        "postgresql:///\(name)?host=\(folder)&user=paddock"
    }

    @discardableResult
    package func send(_ command: String) async throws -> String { try await script.send(command) }
}
