import DockerAPI
import EngineFixtures
import Foundation
import Testing

@Suite("The Engine dies", .serialized)
struct EngineDeathTests {
    @Test("in the middle of a run: an ending that says so, and the next run removes what is left")
    func midRun() async throws {
        try await Fixture.withState { state in
            try await PrivateEngine.with(image: Fixture.busybox) { engine in
                let environment = state.merging(["DOCKER_HOST": engine.host]) { $1 }
                let program = try Program.paddock(
                    ["run", Fixture.busybox, "--", "sh", "-c", "echo ready; sleep 3600"], environment: environment)
                try await program.wait(for: "ready") { program.stdout.contains("ready") }
                try await engine.kill()
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
            }
        }
    }
}
