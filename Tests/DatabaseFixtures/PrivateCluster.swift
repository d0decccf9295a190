import Foundation
import Glibc
import NIOConcurrencyHelpers

/// A PostgreSQL server of the tests' own, on a unix socket in a temporary folder.
///
/// `private-cluster.sh` owns it, and removes it when its stdin ends: also when this process is killed.
package final class PrivateCluster: Sendable {
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    package let folder: String
    private let script: Process
    private let commands: FileHandle
    private let answers: NIOLockedValueBox<LineReader>
    private let queue = DispatchQueue(label: "paddock.tests.cluster")

    private init(tls: Bool) throws {
        folder = "/tmp/paddock-postgres-\(UInt64.random(in: 0...UInt64.max))"
        let input = Pipe()
        let output = Pipe()
        // Other children of this process must not keep the script's stdin open.
        for pipe in [input, output] {
            _ = fcntl(pipe.fileHandleForReading.fileDescriptor, F_SETFD, FD_CLOEXEC)
            _ = fcntl(pipe.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC)
        }
        script = Process()
        script.executableURL = URL(filePath: "/bin/bash")
        script.arguments = [
            URL(filePath: #filePath).deletingLastPathComponent().appending(path: "private-cluster.sh").path, folder,
        ]
        if tls { script.arguments?.append("tls") }
        script.standardInput = input
        script.standardOutput = output
        commands = input.fileHandleForWriting
        answers = NIOLockedValueBox(LineReader(output.fileHandleForReading))
        try script.run()
    }

    /// Of all tests that only want a server, for as long as the process lives.
    package static let shared = Task { try await started() }

    private static func started(tls: Bool = false) async throws -> PrivateCluster {
        let cluster = try PrivateCluster(tls: tls)
        _ = try await cluster.answer()
        try await cluster.send("start")
        return cluster
    }

    /// A server that the test may stop, kill and hang.
    package static func with<Result>(
        tls: Bool = false, _ body: (PrivateCluster) async throws -> Result
    ) async throws -> Result {
        let cluster = try await started(tls: tls)
        do {
            let result = try await body(cluster)
            await cluster.remove()
            return result
        } catch {
            await cluster.remove()
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

    /// - Parameter name: letters, digits and underscores.
    package func url(database name: String = "postgres") -> String {
        "postgresql:///\(name)?host=\(folder)&user=paddock"
    }

    @discardableResult
    package func send(_ command: String) async throws -> String {
        try commands.write(contentsOf: Data("\(command)\n".utf8))
        return try await answer()
    }

    private func answer() async throws -> String {
        let line: String? = await withCheckedContinuation { continuation in
            queue.async { [answers] in continuation.resume(returning: answers.withLockedValue { $0.next() }) }
        }
        guard let line, line.hasPrefix("ok") else {
            throw Failure(description: "private-cluster.sh: \(line ?? "it has ended")")
        }
        return String(line.dropFirst("ok ".count))
    }

    private func remove() async {
        try? commands.close()
        await withCheckedContinuation { continuation in
            queue.async { [script] in
                script.waitUntilExit()
                continuation.resume()
            }
        }
    }
}

/// Lines of a pipe, read one after the other.
private struct LineReader {
    private let handle: FileHandle
    private var rest = Data()

    init(_ handle: FileHandle) { self.handle = handle }

    /// Blocks; nil at the end.
    mutating func next() -> String? {
        while true {
            if let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                defer { rest = Data(rest[(end + 1)...]) }
                return String(decoding: rest[..<end], as: UTF8.self)
            }
            let more = handle.availableData
            guard !more.isEmpty else { return nil }
            rest += more
        }
    }
}
