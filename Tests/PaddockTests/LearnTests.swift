import Entitlements
import Foundation
import Testing

/// `paddock seccomp learn`: what real agents call, recorded in real sandboxes.
@Suite("paddock seccomp learn")
struct LearnTests {
    private func learn(
        _ manifest: String, _ arguments: [String] = [], image: String = Fixture.busybox
    ) async throws -> Program {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                try Data("FROM \(image)\n".utf8).write(to: folder.appending(path: "Dockerfile"))
                try Data(manifest.utf8).write(to: folder.appending(path: "agent.yaml"))
                let program = try Program.paddock(["seccomp", "learn", folder.path()] + arguments, environment: state)
                try await program.exitCode()
                return program
            }
        }
    }

    private func calls(_ program: Program) -> Set<String> {
        Set(program.stdout.split(separator: "\n").dropFirst(2).map { String($0.dropFirst(6)) })
    }

    @Test("the profile holds what the examples call, and the examples run under it")
    func examples() async throws {
        let learned = try await learn(
            """
            name: learner
            command: [sh, -c, 'read mode; [ "$mode" = 1 ] || ln -s /x /tmp/l; sh -c "sleep 0.01; true"; true']
            examples:
              - {name: plain, input: 1, expect: {status: succeeded}}
              - {name: link, input: 2, expect: {status: succeeded}}
            """)
        #expect(try await learned.exitCode() == 0, "\(learned.stderr)")
        #expect(learned.stdout.hasPrefix("seccomp:\n  allow:\n    - "))
        // Of a child, and of a grandchild.
        #expect(calls(learned).isSuperset(of: ["execve", "symlink", "read"]))
        #expect(!calls(learned).isDisjoint(with: ["nanosleep", "clock_nanosleep"]))
        #expect(calls(learned).isDisjoint(with: ["socket", "ptrace", "mkdir"]))
        #expect(learned.stderr.contains("running link, under the profile"))
        #expect(!learned.stderr.contains("warning"), "\(learned.stderr)")
        #expect(learned.stderr.contains("- sockets: accept"))

        let less = try await learn(
            """
            name: learner
            command: [sh, -c, 'read mode; [ "$mode" = 1 ] || ln -s /x /tmp/l']
            examples: [{name: plain, input: 1, expect: {status: succeeded}}]
            """)
        #expect(!calls(less).contains("symlink"))
    }

    @Test("threads are recorded, and arguments are told in words")
    func threads() async throws {
        let script =
            "import socket,threading;t=threading.Thread(target=lambda: socket.socket(socket.AF_UNIX).close());"
            + "t.start();t.join()"
        let learned = try await learn(
            "name: learner\ncommand: [python3, -c, '\(script)']", ["--input", "{}"], image: Fixture.python)
        #expect(try await learned.exitCode() == 0, "\(learned.stderr)")
        #expect(calls(learned).isSuperset(of: ["clone", "socket", "futex"]))
        #expect(learned.stderr.contains("socket: unix stream\n"), "\(learned.stderr)")
    }

    @Test("an agent ends under the recorder as it does without, and one that is killed has told what it called")
    func endings() async throws {
        let learned = try await learn(
            """
            name: learner
            command: [sh, -c, 'read -r how; how=${how#?}; eval "${how%?}"']
            examples:
              - {name: code, input: "exit 7", expect: {status: failed, exitCode: 7}}
              - {name: signal, input: "kill -KILL $$", expect: {status: failed, signal: SIGKILL}}
              - name: term
                input: "trap 'exit 5' TERM; sleep 600 & wait"
                limits: {timeoutSeconds: 10, graceSeconds: 60}
                expect: {status: timed_out, exitCode: 5}
              - name: stuck
                input: "ln -s x /tmp/l; trap '' TERM; while :; do :; done"
                limits: {timeoutSeconds: 8, graceSeconds: 1}
                expect: {status: timed_out}
            """)
        #expect(try await learned.exitCode() == 0, "\(learned.stderr)")
        #expect(!learned.stderr.contains("warning"), "\(learned.stderr)")
        #expect(calls(learned).contains("symlink"))
    }

    @Test("an example that is not what it should be makes the profile doubtful")
    func doubts() async throws {
        let learned = try await learn(
            """
            name: learner
            command: [sh, -c, "mkdir /x"]
            examples: [{name: wrong, input: 1, expect: {status: succeeded}}]
            """, ["--format", "json"])
        #expect(try await learned.exitCode() == 0)
        #expect(learned.stderr.contains("warning: wrong: status: expected succeeded, is failed"), "\(learned.stderr)")
        let document = try Fixture.document(learned.stdout)["seccomp"] as? [String: [String]]
        #expect(document?["allow"]?.contains("mkdir") == true)
    }

    @Test(
        "gVisor gives no notifications, and that is said",
        .enabled("the Engine has runsc") { try await Fixture.hasRuntime("runsc") })
    func gvisor() async throws {
        let learned = try await learn("name: learner\ncommand: [\"true\"]", ["--runtime", "runsc"])
        #expect(try await learned.exitCode() == 125)
        #expect(learned.stdout.isEmpty)
        #expect(learned.stderr.contains("gives no notifications of system calls"), "\(learned.stderr)")
    }
}
