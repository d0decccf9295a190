import Foundation
import Testing

/// `paddock seccomp` as a user calls it.
@Suite("paddock seccomp")
struct SeccompCommandTests {
    private func run(_ arguments: String..., input: String? = nil) async throws -> (Int32, String, String) {
        let program = try Program.paddock(["seccomp"] + arguments, input: input.map { Data($0.utf8) })
        let code = try await program.exitCode()
        return (code, program.stdout, program.stderr)
    }

    @Test("show prints each format")
    func show() async throws {
        #expect(try await run("show").1.contains("types into a terminal"))
        let json = try Fixture.document(try await run("show", "--format", "json").1)
        #expect((json["refusals"] as? [[String: Any]])?.first?["answers"] as? [String] == ["CVE-2021-41133"])
        let engine = try Fixture.document(try await run("show", "--format", "engine").1)
        #expect(engine["defaultAction"] as? String == "SCMP_ACT_ERRNO")
        #expect(try await run("show", "--format", "pfc").1.contains("action ERRNO(1);"))
        let program = try Program.paddock(["seccomp", "show", "--format", "bpf"])
        #expect(try await program.exitCode() == 0)
        #expect(try BPF([UInt8](program.stdoutData)).decide(0, []) == .allow)
    }

    @Test("explain says why, and what was perhaps meant")
    func explain() async throws {
        let (code, text, _) = try await run("explain", "io_uring_setup")
        #expect(code == 0 && text.contains("refused with EPERM") && text.contains("CVE-2022-29582"))
        let unknown = try await run("explain", "ptrac")
        #expect(unknown.0 == 125 && unknown.1.isEmpty)
        #expect(unknown.2.contains("did you mean ptrace?"))
    }

    @Test("lint finds what is looser and exits with 1, and is content with the standard policy")
    func lint() async throws {
        try await Fixture.withFolder { folder in
            let file = folder.appending(path: "p.json").path()
            let standard = try await run("show", "--format", "engine").1
            try Data(standard.utf8).write(to: URL(filePath: file))
            #expect(try await run("lint", file).0 == 0)
            let looser = standard.replacing("\"epoll_ctl\"", with: "\"epoll_ctl\",\"io_uring_setup\"")
            try Data(looser.utf8).write(to: URL(filePath: file))
            let (code, text, _) = try await run("lint", "--format", "json", file)
            #expect(code == 1)
            let findings = try Fixture.document(text)["findings"] as? [[String: Any]]
            #expect(findings?.map { $0["call"] as? String } == ["io_uring_setup"])
            #expect(try await run("diff", file).1 == "+ io_uring_setup  allowed\n")
            #expect(try await run("diff", file, "standard").1 == "- io_uring_setup  refused with EPERM\n")

            let manifest = folder.appending(path: "agent.yaml")
            try Data("name: a\nseccomp:\n  allow: [read, ptrace, reed]\n".utf8).write(to: manifest)
            let agent = try await run("lint", folder.path())
            #expect(agent.0 == 1 && agent.1.contains("ptrace is refused") && agent.1.contains("did you mean read"))
            try Data("name: a\nseccomp:\n  allow: [read]\n".utf8).write(to: manifest)
            #expect(try await run("lint", folder.path()).0 == 0)
            let diff = try await run("diff", folder.path()).1
            #expect(diff.contains("- symlink") && !diff.contains("+ ") && !diff.contains("- execve\n"))
        }
    }

    @Test(
        "a file that holds no profile is one line and 125",
        arguments: ["", "{}", "[]", "{\"defaultAction\": 5}", "{\"defaultAction\": \"x\", \"syscalls\": [{}]}"])
    func noProfile(text: String) async throws {
        try await Fixture.withFolder { folder in
            let file = folder.appending(path: "p.json")
            try Data(text.utf8).write(to: file)
            for command in ["lint", "diff"] {
                let (code, out, err) = try await run(command, file.path())
                #expect(code == 125 && out.isEmpty)
                #expect(
                    err.contains("no seccomp profile") && !err.contains(": :") && err.split(separator: "\n").count == 1,
                    "\(err)")
            }
        }
        #expect(try await run("lint", "/no/such/file").2.contains("no such file"))
    }
}
