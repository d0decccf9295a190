import Entitlements
import Foundation
import Testing

@Suite("paddock check")
struct CheckTests {
    private func check(_ target: String, _ state: [String: String]) async throws -> (Int32, [String: Any], String) {
        let program = try Program.paddock(["check", "-q", "--format", "json", target], environment: state)
        let code = try await program.exitCode()
        return (code, (try? Fixture.document(program.stdout)) ?? [:], program.stderr)
    }

    private func messages(_ report: [String: Any], _ severity: String) -> [String] {
        let findings = report["findings"] as? [[String: Any]] ?? []
        return findings.filter { $0["severity"] as? String == severity }.compactMap { $0["message"] as? String }
    }

    @Test("a good agent will do, with what its examples used and limits that would fit")
    func good() async throws {
        try await Fixture.withState { state in
            let (code, report, said) = try await check("\(Program.packageFolder)/images/text-report", state)
            #expect(code == 0, "\(report) \(said)")
            #expect(messages(report, "error") == [])
            #expect(messages(report, "suggestion").contains { $0.hasPrefix("limits.memoryMiB: ") })
            let runs = try #require(report["runs"] as? [[String: Any]])
            #expect(runs.count >= 3)
            for run in runs {
                #expect(run["passed"] as? Bool == true)
                let usage = try #require(run["usage"] as? [String: Any])
                let syscalls = try #require(run["syscalls"] as? [String])
                #expect(Set(syscalls).isSuperset(of: ["execve", "mmap", "read", "write"]))
                #expect((usage["maxMemoryBytes"] as? Int ?? 0) > 1 << 20)
            }
        }
    }

    @Test(
        "what keeps an agent from working here is said with what to do",
        arguments: [
            ("touch /data", "", "the root file system is read-only: write to /tmp"),
            (
                "cat /secret", "USER root\nRUN touch /secret && chmod 600 /secret",
                "make what it reads and runs readable"
            ),
            ("echo '[]' > $OUTPUT", "", "does not match the agent's output schema"),
        ])
    func bad(script: String, instructions: String, said: String) async throws {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                let dockerfile = """
                    FROM \(Fixture.busybox)
                    \(instructions)
                    ENTRYPOINT ["sh", "-c", "\(script.replacing("\"", with: "\\\""))"]
                    """
                let manifest = """
                    name: \(folder.lastPathComponent.lowercased())
                    outputSchema: {type: [object, "null"]}
                    examples:
                      - {name: plain, input: {}, expect: {status: succeeded}}
                    """
                try Data(dockerfile.utf8).write(to: folder.appending(path: "Dockerfile"))
                try Data(manifest.utf8).write(to: folder.appending(path: "agent.yaml"))
                let (code, report, stderr) = try await check(folder.path(), state)
                #expect(code == 1, "\(stderr)")
                let all = messages(report, "error") + messages(report, "suggestion")
                #expect(all.contains { $0.contains(said) }, "\(report)")
            }
        }
    }

    /// Checks an agent of the test image's.
    private func check(_ manifest: String, dockerfile: String = "") async throws -> (Int32, [String: Any], String) {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                try Data("FROM \(Fixture.busybox)\n\(dockerfile)".utf8).write(to: folder.appending(path: "Dockerfile"))
                let name = folder.lastPathComponent.lowercased()
                try Data("name: \(name)\n\(manifest)".utf8).write(to: folder.appending(path: "agent.yaml"))
                return try await check(folder.path(), state)
            }
        }
    }

    @Test("without examples, one run with the input {} must succeed", arguments: ["", "examples: []"])
    func noExamples(examples: String) async throws {
        let (code, report, said) = try await check("command: [\"true\"]\n\(examples)")
        #expect(code == 0, "\(report) \(said)")
        let runs = report["runs"] as? [[String: Any]] ?? []
        #expect(runs.map { $0["name"] as? String } == ["the input {}"])
        #expect(messages(report, "warning").contains("agent.yaml: no examples: only a run with the input {} was tried"))

        let (failed, _, _) = try await check("command: [\"false\"]\n\(examples)")
        #expect(failed == 1)
    }

    @Test("without examples, an agent that does not take the input {} is asked for some")
    func noExamplesForItsSchema() async throws {
        let (code, report, said) = try await check("command: [\"false\"]\ninputSchema: {type: array}")
        #expect(code == 0, "\(report) \(said)")
        #expect((report["runs"] as? [Any])?.isEmpty == true)
        #expect(messages(report, "warning").contains { $0.hasSuffix("does not match inputSchema: give examples") })
    }

    @Test("an image without a command is a finding, and nothing is run")
    func noCommand() async throws {
        let (code, report, said) = try await check(
            "examples: [{name: plain, input: 1, expect: {}}]", dockerfile: "ENTRYPOINT []\nCMD []")
        #expect(code == 1, "\(said)")
        #expect((report["runs"] as? [Any])?.isEmpty == true)
        #expect(messages(report, "error").count == 1)
        #expect(messages(report, "error").first?.contains("set ENTRYPOINT in its Dockerfile") == true, "\(report)")
    }

    @Test("a host that cannot run it is an error of the call, and not the agent's")
    func hostFailure() async throws {
        try await Fixture.withState { state in
            // In place of the file that is locked for the first user id.
            let slot = (state["PADDOCK_STATE_DIR"] ?? "") + "/users/0"
            try FileManager.default.createDirectory(atPath: slot, withIntermediateDirectories: true)
            let (code, report, said) = try await check(Fixture.busybox, state)
            #expect(code == 125 && report.isEmpty)
            #expect(said.hasPrefix("paddock: the input {}: the state folder cannot be used: "), "\(said)")
            #expect(said.split(separator: "\n").count == 1)
        }
    }

    @Test("a manifest that is none, and an image that is none, are errors of the call")
    func unusable() async throws {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                try Data("FROM scratch\n".utf8).write(to: folder.appending(path: "Dockerfile"))
                try Data("name: X\nlimit: {}\n".utf8).write(to: folder.appending(path: "agent.yaml"))
                let (code, _, said) = try await check(folder.path(), state)
                #expect(code == 125)
                #expect(said.contains("agent.yaml: limit: unknown key"), "\(said)")
            }
            let (code, _, said) = try await check("no-such-image-anywhere:1", state)
            #expect(code == 125)
            #expect(said.contains("no image no-such-image-anywhere:1"), "\(said)")
        }
    }
}
