import Foundation
import Glibc
import NIOConcurrencyHelpers

/// A script that owns a server of the tests' own: one command a line on its stdin, one answer a line on its stdout.
///
/// It removes the server and what that has left when its stdin ends: also when this process is killed.
package final class ServerScript: Sendable {
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    private let name: String
    private let script: Process
    private let commands: FileHandle
    private let answers: NIOLockedValueBox<LineReader>
    private let queue = DispatchQueue(label: "paddock.tests.script")

    /// Starts it, and waits for its first answer.
    package init(_ path: String, _ arguments: [String]) async throws {
        name = URL(filePath: path).lastPathComponent
        let input = Pipe()
        let output = Pipe()
        // Other children of this process must not keep the script's stdin open.
        for pipe in [input, output] {
            _ = fcntl(pipe.fileHandleForReading.fileDescriptor, F_SETFD, FD_CLOEXEC)
            _ = fcntl(pipe.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC)
        }
        script = Process()
        script.executableURL = URL(filePath: "/bin/bash")
        script.arguments = [path] + arguments
        script.standardInput = input
        script.standardOutput = output
        commands = input.fileHandleForWriting
        answers = NIOLockedValueBox(LineReader(output.fileHandleForReading))
        try script.run()
        _ = try await answer()
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
            throw Failure(description: "\(name): \(line ?? "it has ended")")
        }
        return String(line.dropFirst("ok ".count))
    }

    /// Removes the server.
    package func end() async {
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
