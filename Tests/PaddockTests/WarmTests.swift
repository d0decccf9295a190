import DockerAPI
import Foundation
import Testing

@Suite("paddock run --warm and --trace", .serialized, .timeLimit(.minutes(5)))
struct WarmTests {
    @Test("runs the agent once in each, one after another, and leaves nothing")
    func runs() async throws {
        try await Fixture.withState { state in
            var isAllWarm = false
            // One that does not answer within a second, as on a machine that is very busy, is not used.
            for _ in 0..<5 where !isAllWarm {
                let program = try Program.paddock(
                    [
                        "run", "--warm", "3", "--trace", Fixture.busybox, "--", "sh", "-c",
                        "ls /tmp; touch /tmp/x; echo ran",
                    ],
                    environment: state)
                #expect(try await program.exitCode() == 0, "\(program.stderr)")
                #expect(program.stdout == "ran\nran\nran\n")
                #expect(program.stderr.contains("3 sandbox(es) prepared ahead"))
                #expect(program.stderr.split(separator: "\n").count { $0.hasSuffix("  taken") } == 3)
                isAllWarm = !program.stderr.contains("  created")
            }
            #expect(isAllWarm)
        }
    }

    @Test("stops at the first that does not succeed, and removes the rest")
    func stops() async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                ["run", "-q", "--warm", "3", Fixture.busybox, "--", "sh", "-c", "echo ran; exit 7"], environment: state)
            #expect(try await program.exitCode() == 7)
            #expect(program.stdout == "ran\n")
        }
    }

    @Test("a document for each run")
    func documents() async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                ["run", "--json", "--warm", "2", Fixture.busybox, "--", "true"], environment: state)
            #expect(try await program.exitCode() == 0)
            let documents = program.stdout.components(separatedBy: "\n}\n").dropLast().map { $0 + "\n}" }
            let ids = try documents.map { try Fixture.document($0)["id"] as? String }
            #expect(Set(ids).count == 2)
        }
    }

    @Test("killed, it leaves nothing that runs, and the next run removes the rest")
    func killed() async throws {
        try await Fixture.withState { state in
            try await Fixture.withClient { client in
                let program = try Program.paddock(
                    ["run", "--warm", "3", Fixture.busybox, "--", "sh", "-c", "echo ready; sleep 3600"],
                    environment: state)
                try await program.wait(for: "ready") { program.stdout.contains("ready") }
                program.signal(SIGKILL)
                try await program.exitCode()
                let start = ContinuousClock.now
                var left = try await Fixture.containers(of: state, client)
                // One that did not answer in time, and was still to be removed.
                #expect((3...4).contains(left.count))
                while left.contains(where: { $0.state == "running" }), start.duration(to: .now) < Program.deadline {
                    try await Task.sleep(for: .milliseconds(20))
                    left = try await Fixture.containers(of: state, client)
                }
                #expect(left.allSatisfy { $0.state == "exited" })
                let next = try Program.paddock(["run", Fixture.busybox, "--", "true"], environment: state)
                #expect(try await next.exitCode() == 0)
                #expect(next.stderr.contains("removed \(left.count) sandbox"), "\(next.stderr)")
            }
        }
    }

    @Test(
        "what cannot be is refused",
        arguments: [
            ["--warm", "0"], ["--warm", "1000"], ["--warm", "2", "--receipt", "/tmp/r"],
            ["--warm", "1", "--allow", "example.com"],
        ])
    func refused(flags: [String]) async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(["run"] + flags + [Fixture.busybox, "--", "true"], environment: state)
            #expect(try await program.exitCode() == 125)
            #expect(program.stderr.contains(flags[flags.count > 2 ? 2 : 0]), "\(program.stderr)")
        }
    }

    @Test("the stages of a cold run come in their order")
    func trace() async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                ["run", "--trace", Fixture.busybox, "--", "sh", "-c", "sleep 2; echo hi"], environment: state)
            #expect(try await program.exitCode() == 0)
            let stages = program.stderr.split(separator: "\n").compactMap { $0.split(separator: "  ").last }
                .filter { $0 != "started" }
            var expected = [
                "settled", "created", "attached", "reported", "verified", "launched", "trailer", "drained", "exited",
                "removed",
            ]
            // Not waited for where stderr's mark is late.
            if !stages.contains("drained") { expected.removeAll { $0 == "drained" } }
            #expect(stages.map { String($0) }.filter { expected.contains($0) } == expected, "\(program.stderr)")
        }
    }
}
