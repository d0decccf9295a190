import DockerAPI
import Foundation
import Testing

/// The cap above all sandboxes.
@Suite("All sandboxes together")
struct TogetherTests {
    /// The path of a process's cgroup, for a controller of v1 or for v2; proc_pid_cgroup(5).
    private static func path(of pid: Int, _ controller: String) throws -> String? {
        let lines = try String(contentsOfFile: "/proc/\(pid)/cgroup", encoding: .utf8).split(separator: "\n")
        let parts = lines.map { $0.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false) }
        let own =
            parts.first { $0[1].split(separator: ",").contains { $0 == controller } } ?? parts.first { $0[0] == "0" }
        return own.map { String($0[2]) }
    }

    @Test(
        "every sandbox is below the cap, on each runtime",
        .enabled(if: geteuid() == 0, "only root can write the cap; CI is root"), arguments: ["memory", "pids", "cpu"])
    func below(controller: String) async throws {
        for runtime in try await Fixture.runtimes() {
            try await Fixture.withState { state in
                let program = try Program.paddock(
                    ["run", "--runtime", runtime, Fixture.busybox, "--", "sh", "-c", "echo ready; sleep 600"],
                    environment: state)
                try await program.wait(for: "ready") { program.stdout.contains("ready") }
                try await Fixture.withClient { client in
                    let container = try #require(try await Fixture.containers(of: state, client).first)
                    let pid = try await client.inspectContainer(container.id).state.pid
                    #expect(try Self.path(of: pid, controller)?.hasPrefix("/paddock.slice/") == true, "\(runtime)")
                }
                program.signal(SIGINT)
                #expect(try await program.exitCode() == 130)
            }
        }
    }
}
