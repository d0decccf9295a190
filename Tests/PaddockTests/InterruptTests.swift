import DockerAPI
import Entitlements
import Foundation
import Testing

/// Commands that run sandboxes of their own, ended early by a signal.
@Suite("Interrupted commands")
struct InterruptTests {
    static let commands = [["check"], ["seccomp", "learn"]]

    /// Starts a command on an agent that sleeps, and waits until it does.
    private func withSleeper(
        _ command: [String], _ body: (Program, [String: String], DockerClient) async throws -> Void
    ) async throws {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                let manifest = """
                    name: \(folder.lastPathComponent.lowercased())
                    command: [sleep, "3600"]
                    limits: {timeoutSeconds: 3600}
                    examples: [{name: sleeps, input: 1, expect: {}}, {name: never, input: 2, expect: {}}]
                    """
                try Data("FROM \(Fixture.busybox)\n".utf8).write(to: folder.appending(path: "Dockerfile"))
                try Data(manifest.utf8).write(to: folder.appending(path: "agent.yaml"))
                try await Fixture.withClient { client in
                    let program = try Program.paddock(command + [folder.path()], environment: state)
                    let container = try await Fixture.waitForContainers(1, of: state, client, program)[0].id
                    try await waitForAgent(in: container, program)
                    try await body(program, state, client)
                }
            }
        }
    }

    private func waitForAgent(in container: String, _ program: Program) async throws {
        let start = ContinuousClock.now
        while try await !Program.output("/usr/bin/env", ["docker", "top", container]).contains("sleep") {
            guard program.isRunning, start.duration(to: .now) < Program.deadline else {
                throw Program.TimedOut(waitingFor: "the agent", stdout: program.stdout, stderr: program.stderr)
            }
        }
    }

    @Test(
        "a signal ends the run, and its sandbox is removed",
        arguments: commands, [(SIGINT, 130), (SIGTERM, 143)] as [(Int32, Int32)])
    func once(command: [String], signal: (number: Int32, code: Int32)) async throws {
        try await withSleeper(command) { program, state, client in
            program.signal(signal.number)
            let code = try await program.exitCode()
            #expect(code == signal.code, "\(program.stderr)")
            #expect(program.stdout.isEmpty)
            #expect(program.stderr.contains("canceling"))
            #expect(!program.stderr.contains("never"), "\(program.stderr)")
            #expect(try await Fixture.containers(of: state, client).isEmpty)
        }
    }

    @Test("a second signal leaves at once, and the next run removes what was left", arguments: commands)
    func twice(command: [String]) async throws {
        try await withSleeper(command) { program, state, client in
            // Its end then takes the runner two seconds, and its removal comes after that.
            let container = try #require(try await Fixture.containers(of: state, client).first)
            // The kernel of a busy machine does not always freeze a cgroup in the time that runc gives it.
            for _ in 0..<100 where try await client.inspectContainer(container.id).state.status != "paused" {
                _ = try await Program.output("/usr/bin/env", ["docker", "pause", container.id])
            }
            program.signal(SIGINT)
            program.signal(SIGTERM)
            let code = try await program.exitCode()
            #expect(code == 130 || code == 143, "\(program.stderr)")
            #expect(try await Fixture.containers(of: state, client).map(\.id) == [container.id])

            let next = try Program.paddock(["run", Fixture.busybox, "--", "true"], environment: state)
            #expect(try await next.exitCode() == 0)
            #expect(next.stderr.contains("removed 1 sandbox"), "\(next.stderr)")
        }
    }
}
