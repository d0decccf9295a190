import DockerAPI
import Foundation
import Testing

/// A secret is in one file of the sandbox, and nowhere else that anybody could look.
@Suite("Secrets")
struct SecretTests {
    private static let secret = "s3cr3t-\(UInt64.random(in: 0...UInt64.max))"

    /// Looks wherever a secret has been seen to leak, while the agent runs.
    private func places(_ container: String, _ state: [String: String]) async throws -> [String: String] {
        let inspect = try await Program.output("/usr/bin/env", ["docker", "inspect", container])
        let id = try await Program.output("/usr/bin/env", ["docker", "inspect", "-f", "{{.Id}}", container])
        let trimmed = id.trimmingCharacters(in: .whitespacesAndNewlines)
        let folder = "/var/lib/docker/containers/\(trimmed)"
        var places = ["inspect": inspect]
        places["the Engine's files"] = try await Program.output("/usr/bin/grep", ["-rhas", "s3cr3t", folder])
        if let own = state["PADDOCK_STATE_DIR"] {
            places["our state folder"] = try await Program.output("/usr/bin/grep", ["-rhas", "s3cr3t", own])
        }
        let top = try await Program.output("/usr/bin/env", ["docker", "top", container, "-eo", "pid"])
        for pid in top.split(whereSeparator: \.isWhitespace).compactMap({ Int($0) }) {
            let environment = FileManager.default.contents(atPath: "/proc/\(pid)/environ") ?? Data()
            let command = FileManager.default.contents(atPath: "/proc/\(pid)/cmdline") ?? Data()
            places["/proc/\(pid)"] = String(decoding: environment + command, as: UTF8.self)
        }
        return places
    }

    @Test("it is a file of mode 0400, and in no environment, command line, inspect output or file of ours")
    func hidden() async throws {
        try await Fixture.withState { state in
            let script =
                "stat -c '%a %u' /run/paddock/secrets/TOKEN; id -u; wc -c < /run/paddock/secrets/TOKEN; sleep 600"
            let program = try Program.paddock(
                ["run", "--secret", "TOKEN=\(Self.secret)", Fixture.busybox, "--", "sh", "-c", script],
                environment: state)
            try await program.wait(for: "the agent") { program.stdout.split(separator: "\n").count == 3 }
            let lines = program.stdout.split(separator: "\n")
            #expect(lines[0] == "400 \(lines[1])")
            #expect(lines[2] == "\(Self.secret.utf8.count)")
            let container = try await Fixture.withClient { try await Fixture.containers(of: state, $0) }
            let found = try await places(try #require(container.first).id, state)
            #expect(found.count >= 4)
            for (place, text) in found { #expect(!text.contains(Self.secret), "\(place)") }
            program.signal(SIGINT)
            program.signal(SIGINT)
            try await program.exitCode()
            #expect(!(program.stdout + program.stderr).contains(Self.secret))
        }
    }

    @Test("control: a variable of a plain container is seen in the same places")
    func control() async throws {
        let id = try await Program.output(
            "/usr/bin/env", ["docker", "run", "-d", "-e", "TOKEN=\(Self.secret)", Fixture.busybox, "sleep", "600"])
        let container = id.trimmingCharacters(in: .whitespacesAndNewlines)
        var found = try await places(container, [:])
        // Its process may still be the runtime's, which becomes the agent.
        let start = ContinuousClock.now
        while found.count(where: { $0.value.contains(Self.secret) }) < 3, start.duration(to: .now) < Program.deadline {
            try await Task.sleep(for: .milliseconds(100))
            found = try await places(container, [:])
        }
        _ = try await Program.output("/usr/bin/env", ["docker", "rm", "-f", container])
        #expect(found.filter { $0.value.contains(Self.secret) }.count >= 3, "\(found.keys)")
        #expect(found["the Engine's files"]?.contains(Self.secret) == true, "they are root's: run the tests as root")
    }

    @Test("an error about a secret does not tell it", arguments: ["BAD/NAME=", "TOKEN=@/nonexistent/"])
    func errors(prefix: String) async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                ["run", "--secret", prefix + (prefix.hasSuffix("/") ? "x" : Self.secret), Fixture.busybox],
                environment: state)
            #expect(try await program.exitCode() == 125)
            #expect(program.stderr.contains("--secret"))
            #expect(!program.stderr.contains(Self.secret), "\(program.stderr)")
        }
    }
}
