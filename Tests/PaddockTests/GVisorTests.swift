import Foundation
import Testing

/// What is told of a run under gVisor, where much is seen otherwise than under the host's kernel.
@Suite("Runs under gVisor", .enabled("the Engine has runsc") { try await Fixture.hasRuntime("runsc") })
struct GVisorTests {
    /// Runs a shell script.
    private func run(_ script: String) async throws -> [String: Any] {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                ["run", "--json", "--runtime", "runsc", "--tmp-size", "4", Fixture.busybox, "--", "sh", "-c", script],
                environment: state)
            try await program.exitCode()
            return try Fixture.document(program.stdout)
        }
    }

    @Test(
        "Python and Node make threads",
        arguments: [
            (
                Fixture.python,
                [
                    "python3", "-c",
                    "import threading as t; x = t.Thread(target=print, args=['ok']); x.start(); x.join()",
                ]
            ),
            (
                "paddock/test-node:1",
                ["node", "-e", "new (require('worker_threads').Worker)('console.log(`ok`)', {eval: true})"]
            ),
        ])
    func threads(image: String, command: [String]) async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                ["run", "-q", "--runtime", "runsc", "--cpus", "2", image, "--"] + command, environment: state)
            #expect(try await program.exitCode() == 0, "\(program.stderr)")
            #expect(program.stdout == "ok\n")
        }
    }

    private func notes(_ execution: [String: Any]) -> [String] {
        (execution["notes"] as? [[String: Any]] ?? []).compactMap { $0["code"] as? String }
    }

    @Test("a /tmp with room is not called full, and one without is")
    func temporaryFiles() async throws {
        let some = try await run("echo some >/tmp/file")
        #expect(some["status"] as? String == "succeeded", "\(some)")
        #expect(notes(some) == [])
        let full = try await run("dd if=/dev/zero of=/tmp/file bs=64k; true")
        #expect(full["status"] as? String == "succeeded", "\(full)")
        #expect(notes(full) == ["tmp_full"])
    }

    @Test("an agent that kills PID 1 ends its sandbox, and nobody else is blamed")
    func killsInit() async throws {
        let execution = try await run("kill -KILL 1; sleep 600")
        #expect(execution["reason"] as? String == "signal", "\(execution)")
        #expect(execution["exitCode"] as? Int == 137)
        #expect(execution["message"] as? String == "its whole sandbox was ended by SIGKILL, and not by Paddock")
    }
}
