import DockerAPI
import Foundation
import Testing

/// Nothing of ours stays behind on the Engine, whatever happens.
@Suite("Leftovers", .serialized)
struct LeftoverTests {
    @Test("20 at once, and 200 one after another, leave nothing")
    func many() async throws {
        try await Fixture.withState { state in
            try await Fixture.withClient { client in
                let before = try await client.listContainers().map(\.id)
                try await run(20, atOnce: 20, state)
                try await run(200, atOnce: 4, state)
                #expect(try await Fixture.containers(of: state, client).isEmpty)
                let folder = try #require(state["PADDOCK_STATE_DIR"])
                #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/runners").isEmpty)
                // Others' containers are as they were.
                let after = Set(try await client.listContainers().map(\.id))
                for id in before where !after.contains(id) {
                    let name = try? await client.inspectContainer(id).name
                    #expect(name == nil || name?.hasPrefix("/exe_") == true)
                }
            }
        }
    }

    private func run(_ count: Int, atOnce: Int, _ state: [String: String]) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<count {
                if number >= atOnce { try await group.next() }
                group.addTask {
                    let program = try Program.paddock(
                        ["run", "-q", Fixture.busybox, "--", "echo", "number \(number)"], environment: state)
                    let code = try await program.exitCode()
                    // A machine that is very busy may be late with the start of so many.
                    let isLate = code == 125 && program.stderr.contains("did not start the sandbox within")
                    #expect(code == 0 || isLate, "\(program.stderr)")
                    #expect(program.stdout == (code == 0 ? "number \(number)\n" : ""))
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("after kill -9 the agent ends by itself, and the next run removes its sandbox")
    func killed() async throws {
        try await Fixture.withState { state in
            try await Fixture.withClient { client in
                let program = try Program.paddock(
                    ["run", Fixture.busybox, "--", "sh", "-c", "echo ready; sleep 3600"], environment: state)
                try await program.wait(for: "ready") { program.stdout.contains("ready") }
                program.signal(SIGKILL)
                #expect(try await program.exitCode() == -SIGKILL)
                var left = try await Fixture.containers(of: state, client)
                #expect(left.count == 1)
                let start = ContinuousClock.now
                while left.first?.state == "running", start.duration(to: .now) < Program.deadline {
                    try await Task.sleep(for: .milliseconds(20))
                    left = try await Fixture.containers(of: state, client)
                }
                #expect(left.first?.state == "exited")

                let next = try Program.paddock(["run", Fixture.busybox, "--", "true"], environment: state)
                #expect(try await next.exitCode() == 0)
                #expect(next.stderr.contains("removed 1 sandbox"), "\(next.stderr)")
                #expect(try await Fixture.containers(of: state, client).isEmpty)
            }
        }
    }

    @Test("a sandbox of a runner that lives is not reaped, and one of another state folder neither")
    func othersLive() async throws {
        try await Fixture.withState { mine in
            try await Fixture.withState { others in
                try await Fixture.withClient { client in
                    let script = ["run", Fixture.busybox, "--", "sh", "-c", "echo ready; sleep 3600"]
                    let living = try Program.paddock(script, environment: mine)
                    let foreign = try Program.paddock(script, environment: others)
                    try await living.wait(for: "ready") { living.stdout.contains("ready") }
                    try await foreign.wait(for: "ready") { foreign.stdout.contains("ready") }
                    foreign.signal(SIGKILL)
                    try await foreign.exitCode()

                    let next = try Program.paddock(["run", Fixture.busybox, "--", "true"], environment: mine)
                    #expect(try await next.exitCode() == 0)
                    #expect(!next.stderr.contains("removed"), "\(next.stderr)")
                    #expect(try await Fixture.containers(of: mine, client).count == 1)
                    #expect(try await Fixture.containers(of: others, client).count == 1)
                    living.signal(SIGINT)
                    #expect(try await living.exitCode() == 130)

                    let reaper = try Program.paddock(["run", Fixture.busybox, "--", "true"], environment: others)
                    #expect(try await reaper.exitCode() == 0)
                    #expect(try await Fixture.containers(of: others, client).isEmpty)
                }
            }
        }
    }
}
