import DatabaseFixtures
import Foundation

/// A Docker Engine of the tests' own, in a temporary folder; `private-engine.sh` owns it.
package final class PrivateEngine: Sendable {
    package let folder: String
    private let script: ServerScript

    package var socket: String { folder + "/docker.sock" }
    /// `DOCKER_HOST`.
    package var host: String { "unix://\(socket)" }

    private init(folder: String, script: ServerScript) {
        self.folder = folder
        self.script = script
    }

    /// An Engine that the test may stop, kill and hang.
    /// - Parameters:
    ///   - image: that it has.
    ///   - options: of `dockerd`.
    package static func with<Result>(
        image: String = "paddock/busybox:1", _ options: [String] = [], _ body: (PrivateEngine) async throws -> Result
    ) async throws -> Result {
        // Short: it is a part of the paths of sockets.
        let folder = "/tmp/paddock-engine-\(UInt32.random(in: 0...UInt32.max))"
        let path = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "private-engine.sh").path
        let engine = PrivateEngine(folder: folder, script: try await ServerScript(path, [folder]))
        do {
            try await engine.start(options)
            try await engine.send("load \(image)")
            let result = try await body(engine)
            await engine.script.end()
            return result
        } catch {
            await engine.script.end()
            throw error
        }
    }

    /// Starts it again, after ``kill()`` or ``stop()``.
    /// - Parameter options: of `dockerd`.
    package func start(_ options: [String] = []) async throws {
        try await send((["start"] + options).joined(separator: " "))
    }

    /// SIGKILL, to the Engine itself only.
    package func kill() async throws { try await send("kill") }

    /// SIGTERM, and waits until it has gone.
    package func stop() async throws { try await send("stop") }

    /// SIGSTOP: it answers nothing until ``resume()``.
    package func hang() async throws { try await send("hang") }

    package func resume() async throws { try await send("resume") }

    /// Whether every start of a container waits from now on.
    package func hangInStart(_ hangs: Bool) throws {
        let file = URL(filePath: folder + "/hang")
        if hangs { try Data().write(to: file) } else { try FileManager.default.removeItem(at: file) }
    }

    private func send(_ command: String) async throws { try await script.send(command) }
}
