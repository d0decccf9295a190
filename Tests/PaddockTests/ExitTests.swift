import DockerAPI
import Foundation
import Testing

/// Every way in which `paddock run` can end, on the real Engine.
@Suite("Exit paths")
struct ExitTests {
    @Test(
        "the agent's own ending is ours",
        arguments: [
            ("exit 0", 0, "succeeded"),
            ("exit 3", 3, "exited with code 3"),
            ("kill -SEGV $$", 139, "SIGSEGV"),
            ("kill -KILL $$", 137, "SIGKILL"),
        ] as [(String, Int32, String)])
    func own(script: String, code: Int32, said: String) async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                ["run", Fixture.busybox, "--", "sh", "-c", script], environment: state)
            #expect(try await program.exitCode() == code)
            #expect(program.stderr.contains(said), "\(program.stderr)")
        }
    }

    @Test("a wall timeout is 124, also for an agent that ignores SIGTERM")
    func timeout() async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                [
                    "run", "--timeout", "0.5", "--grace", "0.5", Fixture.busybox, "--", "sh", "-c",
                    "trap '' TERM; while true; do sleep 1; done",
                ], environment: state)
            #expect(try await program.exitCode() == 124)
            #expect(program.stderr.contains("timeout of 0.5 s"), "\(program.stderr)")
        }
    }

    @Test("CPU time used up is 124, and says so")
    func cpuTime() async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                ["run", "--cpu-time", "0.3", Fixture.busybox, "--", "sh", "-c", "while true; do :; done"],
                environment: state)
            #expect(try await program.exitCode() == 124)
            #expect(program.stderr.contains("CPU time of 0.3 s"), "\(program.stderr)")
        }
    }

    @Test("the memory limit is 137, by the kernel's own count")
    func memory() async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                ["run", "--memory", "48", Fixture.busybox, "--", "tail", "/dev/zero"], environment: state)
            #expect(try await program.exitCode() == 137)
            #expect(program.stderr.contains("memory limit of 48 MiB"), "\(program.stderr)")
        }
    }

    @Test("a sandbox that somebody kills by the Engine is told as such")
    func killedFromOutside() async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                ["run", Fixture.busybox, "--", "sh", "-c", "echo ready; sleep 3600"], environment: state)
            try await program.wait(for: "ready") { program.stdout.contains("ready") }
            try await Fixture.withClient { client in
                for container in try await Fixture.containers(of: state, client) {
                    try await client.killContainer(container.id, signal: "SIGKILL")
                }
            }
            #expect(try await program.exitCode() == 137)
            let said = "its whole sandbox was ended by SIGKILL, and not by Paddock"
            #expect(program.stderr.contains(said), "\(program.stderr)")
        }
    }

    @Test("Ctrl-C once cancels with grace: the agent may clean up")
    func cancelOnce() async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                [
                    "run", "--grace", "100", Fixture.busybox, "--", "sh", "-c",
                    "trap 'echo cleaned up; exit 0' TERM; echo ready; while true; do sleep 0.1; done",
                ], environment: state)
            try await program.wait(for: "ready") { program.stdout.contains("ready") }
            program.signal(SIGINT)
            #expect(try await program.exitCode() == 130)
            #expect(program.stdout == "ready\ncleaned up\n")
            #expect(program.stderr.contains("canceled"))
        }
    }

    @Test("Ctrl-C twice kills an agent that ignores SIGTERM, long before its grace is over")
    func cancelTwice() async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                [
                    "run", "--grace", "3600", Fixture.busybox, "--", "sh", "-c",
                    "trap 'echo ignored' TERM; echo ready; while true; do sleep 0.1; done",
                ], environment: state)
            try await program.wait(for: "ready") { program.stdout.contains("ready") }
            program.signal(SIGINT)
            try await program.wait(for: "SIGTERM") { program.stdout.contains("ignored") }
            program.signal(SIGINT)
            #expect(try await program.exitCode() == 130)
        }
    }

    @Test("a closed stdout cancels the agent, also one that has gone silent")
    func closedStdout() async throws {
        try await Fixture.withState { state in
            let program = try Program(
                "/bin/sh",
                ["-c", "{ \"$0\" run \"$1\" -- sh -c 'echo one; sleep 3600'; echo code $? >&2; } | head -1"]
                    + [Program.paddock, Fixture.busybox], environment: state)
            try await program.exitCode()
            #expect(program.stdout == "one\n")
            #expect(program.stderr.contains("code 130"), "\(program.stderr)")
        }
    }

    @Test(
        "what Paddock cannot do is 125 and one line",
        arguments: [
            (["run", "--no-such-flag", "x"], "no-such-flag"),
            (["run"], "image-or-folder"),
            (["run", "--memory", "lots", Fixture.busybox], "memory"),
            (["run", "--memory", "16", Fixture.busybox], "memoryMiB"),
            (["run", "--cpus", "4096", Fixture.busybox], "cpus"),
            (["run", "--env", "novalue", Fixture.busybox], "env"),
            (["run", "--secret", "../x=1", Fixture.busybox], "--secret"),
            (["run", "--secret", "a=1", "--secret", "a=2", Fixture.busybox], "twice"),
            (["run", "--input", "{", Fixture.busybox], "--input"),
            (["run", "--input", "@/nonexistent", Fixture.busybox], "/nonexistent"),
            (["run", "--runtime", "nosuchruntime", Fixture.busybox], "nosuchruntime"),
            (["run", "127.0.0.1:1/no/such:image"], "127.0.0.1:1/no/such:image"),
            (["run", "./no-such-folder"], "no such folder"),
            (["run", "Sources"], "Sources"),
            (["run", Fixture.busybox, "--", "nosuchprogram"], "No such file"),
            (["nonsense"], "nonsense"),
        ])
    func ours(arguments: [String], named: String) async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(arguments, environment: state)
            #expect(try await program.exitCode() == 125)
            #expect(program.stderr.contains(named), "\(program.stderr)")
            #expect(program.stderr.split(separator: "\n").count == 1, "\(program.stderr)")
            #expect(program.stdout.isEmpty)
        }
    }

    @Test("an image without entrypoint and command says what to do")
    func noEntrypoint() async throws {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                let dockerfile = "FROM \(Fixture.busybox)\nENTRYPOINT []\nCMD []\n"
                try Data(dockerfile.utf8).write(to: folder.appending(path: "Dockerfile"))
                let program = try Program.paddock(["run", "-q", folder.path()], environment: state)
                #expect(try await program.exitCode() == 125)
                #expect(program.stderr.contains("no entrypoint and no command"), "\(program.stderr)")
            }
        }
    }

    @Test("a folder whose build fails shows the builder's words")
    func failingBuild() async throws {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                let dockerfile = "FROM \(Fixture.busybox)\nRUN echo the reason && false\n"
                try Data(dockerfile.utf8).write(to: folder.appending(path: "Dockerfile"))
                let program = try Program.paddock(["run", folder.path()], environment: state)
                #expect(try await program.exitCode() == 125)
                #expect(program.stderr.contains("the reason"), "\(program.stderr)")
            }
        }
    }

    @Test("folders of one name built at once each run their own image")
    func sameName() async throws {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<4 {
                        let agent = folder.appending(path: "\(number)/\(folder.lastPathComponent)")
                        try FileManager.default.createDirectory(at: agent, withIntermediateDirectories: true)
                        let dockerfile = "FROM \(Fixture.busybox)\nENTRYPOINT [\"echo\", \"number \(number)\"]\n"
                        try Data(dockerfile.utf8).write(to: agent.appending(path: "Dockerfile"))
                        group.addTask {
                            let program = try Program.paddock(["run", agent.path()], environment: state)
                            #expect(try await program.exitCode() == 0)
                            #expect(program.stdout == "number \(number)\n", "\(program.stderr)")
                        }
                    }
                    try await group.waitForAll()
                }
            }
        }
    }

    @Test(
        "output that cannot be written is 125, and no run is called a success",
        arguments: [["--json"], []])
    func fullDisk(flags: [String]) async throws {
        try await Fixture.withState { state in
            let full = try #require(FileHandle(forWritingAtPath: "/dev/full"))
            let program = try Program.paddock(
                ["run"] + flags + [Fixture.busybox, "--", "echo", "hi"], environment: state, stdout: full)
            #expect(try await program.exitCode() == 125)
            #expect(program.stderr.contains("No space left"), "\(program.stderr)")
        }
    }

    @Test("standard streams that are closed are not taken for files of ours")
    func closedStreams() async throws {
        try await Fixture.withState { state in
            for redirection in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
                let script = "\"$0\" run \"$1\" -- sh -c 'echo out; echo err >&2' \(redirection)"
                let program = try Program(
                    "/bin/sh", ["-c", script, Program.paddock, Fixture.busybox], environment: state)
                #expect(try await program.exitCode() == 0, "\(redirection): \(program.stderr)")
            }
            let input = try Program(
                "/bin/sh", ["-c", "\"$0\" run --input - \"$1\" <&-", Program.paddock, Fixture.busybox],
                environment: state)
            #expect(try await input.exitCode() == 125)
        }
    }

    @Test("a stderr that nobody reads does not keep signals from ending the run")
    func fullStderr() async throws {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                let fifo = folder.appending(path: "fifo").path()
                #expect(mkfifo(fifo, 0o600) == 0)
                // Held open for reading, and never read.
                let reader = open(fifo, O_RDONLY | O_NONBLOCK)
                defer { close(reader) }
                let script = "exec \"$0\" run --grace 1 \"$1\" -- sh -c 'yes >&2' 2>\"$2\""
                let program = try Program(
                    "/bin/sh", ["-c", script, Program.paddock, Fixture.busybox, fifo], environment: state)
                try await program.wait(for: "a stderr that is being written") {
                    var waiting = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
                    return poll(&waiting, 1, 0) == 1 && Int32(waiting.revents) & POLLIN != 0
                }
                // The third leaves at once; the kernel may merge some of them.
                try await program.wait(for: "the end") {
                    program.signal(SIGTERM)
                    return !program.isRunning
                }
                #expect(try await program.exitCode() == 130)
            }
            let next = try Program.paddock(["run", Fixture.busybox, "--", "true"], environment: state)
            #expect(try await next.exitCode() == 0)
        }
    }

    @Test("no Engine is said so, with what to do", arguments: ["unix:///nonexistent/docker.sock", "tcp://127.0.0.1:1"])
    func noEngine(host: String) async throws {
        try await Fixture.withState { state in
            let environment = state.merging(["DOCKER_HOST": host]) { $1 }
            let program = try Program.paddock(["run", Fixture.busybox], environment: environment)
            #expect(try await program.exitCode() == 125)
            #expect(program.stderr.contains("DOCKER_HOST"), "\(program.stderr)")
        }
    }
}
