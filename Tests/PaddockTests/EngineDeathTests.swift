import DockerAPI
import Foundation
import Testing

/// An Engine that dies: a private one, which the test starts, kills and starts again.
@Suite("The Engine dies", .serialized)
struct EngineDeathTests {
    /// A dockerd with folders of its own.
    private final class PrivateEngine {
        let folder: URL
        private var daemon: Program?

        var socket: String { folder.appending(path: "docker.sock").path() }
        var environment: [String: String] { ["DOCKER_HOST": "unix://\(socket)"] }

        init(folder: URL) { self.folder = folder }

        func start() async throws {
            // containerd dies with its dockerd; where nobody reaps it, its number still looks like a process.
            try? FileManager.default.removeItem(at: folder.appending(path: "exec/containerd/containerd.pid"))
            let daemon = try Program(
                "/usr/bin/env",
                [
                    // In a network namespace of its own: with --bridge none it removes docker0, which is another's.
                    "unshare", "--net", "dockerd", "--host", "unix://\(socket)", "--data-root",
                    folder.appending(path: "data").path(),
                    "--exec-root", folder.appending(path: "exec").path(),
                    "--pidfile", folder.appending(path: "pid").path(), "--bridge", "none", "--iptables=false",
                    "--ip6tables=false",
                ])
            self.daemon = daemon
            let configuration = DockerClient.Configuration(socketPath: socket)
            let start = ContinuousClock.now
            while (try? await DockerClient.withClient(configuration) { try await $0.ping() }) == nil {
                guard daemon.isRunning, start.duration(to: .now) < Program.deadline else {
                    throw Program.TimedOut(waitingFor: "dockerd", stdout: "", stderr: daemon.stderr)
                }
                try await Task.sleep(for: .milliseconds(50))
            }
        }

        func loadBusybox() async throws {
            let script = "docker save \(Fixture.busybox) | docker -H unix://\(socket) load"
            _ = try await Program.output("/bin/sh", ["-c", script])
        }

        func signal(_ number: Int32) async throws {
            daemon?.signal(number)
            try await daemon?.exitCode()
        }

        /// Ends it and the containerd that it started.
        func stop() async {
            daemon?.signal(SIGTERM)
            _ = try? await daemon?.exitCode()
            _ = try? await Program.output("/usr/bin/env", ["pkill", "-9", "-f", folder.path()])
            // Mounts of containers that were killed with it.
            let mounts = (try? String(contentsOfFile: "/proc/mounts", encoding: .utf8)) ?? ""
            for line in mounts.split(separator: "\n") {
                let words = line.split(separator: " ")
                if words.count > 1, words[1].hasPrefix(folder.path()) {
                    _ = try? await Program.output("/usr/bin/env", ["umount", "-l", String(words[1])])
                }
            }
        }
    }

    @Test("in the middle of a run: an ending that says so, and the next run removes what is left")
    func midRun() async throws {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                let engine = PrivateEngine(folder: folder)
                do {
                    try await engine.start()
                    try await engine.loadBusybox()
                    let environment = state.merging(engine.environment) { $1 }
                    let program = try Program.paddock(
                        ["run", Fixture.busybox, "--", "sh", "-c", "echo ready; sleep 3600"], environment: environment)
                    try await program.wait(for: "ready") { program.stdout.contains("ready") }
                    try await engine.signal(SIGKILL)
                    #expect(try await program.exitCode() == 125)
                    #expect(program.stderr.contains("failed"), "\(program.stderr)")
                    #expect(program.stderr.contains("Engine"), "\(program.stderr)")

                    try await engine.start()
                    let next = try Program.paddock(
                        ["run", Fixture.busybox, "--", "echo", "again"], environment: environment)
                    #expect(try await next.exitCode() == 0, "\(next.stderr)")
                    #expect(next.stdout == "again\n")
                    let left = try await DockerClient.withClient(.init(socketPath: engine.socket)) { client in
                        try await Fixture.containers(of: state, client)
                    }
                    #expect(left.isEmpty)
                } catch {
                    await engine.stop()
                    throw error
                }
                await engine.stop()
            }
        }
    }
}
