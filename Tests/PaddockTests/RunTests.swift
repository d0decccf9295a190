import DockerAPI
import Entitlements
import Foundation
import Testing

/// What `paddock run` gives an agent and what it brings back, on the real Engine.
@Suite("paddock run")
struct RunTests {
    @Test("a line is on our stdout while the agent still runs")
    func live() async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                ["run", Fixture.busybox, "--", "sh", "-c", "echo out; echo err >&2; printf partial; sleep 3600"],
                environment: state)
            try await program.wait(for: "the lines") {
                program.stdout == "out\npartial" && program.stderr.contains("err\n")
            }
            #expect(program.isRunning)
            program.signal(SIGINT)
            #expect(try await program.exitCode() == 130)
        }
    }

    @Test("64 MiB of binary log arrive byte for byte")
    func bytes() async throws {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                let file = folder.appending(path: "log")
                #expect(FileManager.default.createFile(atPath: file.path(), contents: nil))
                let script = """
                    import hashlib, os, sys
                    digest = hashlib.sha256()
                    for _ in range(64):
                        block = os.urandom(1 << 20)
                        digest.update(block)
                        sys.stdout.buffer.write(block)
                    sys.stdout.flush()
                    print("sha256", digest.hexdigest(), file=sys.stderr)
                    """
                let program = try Program.paddock(
                    ["run", "--cpus", "2", "--log-limit", "65", Fixture.python, "--", "python3", "-c", script],
                    environment: state, stdout: FileHandle(forWritingTo: file))
                #expect(try await program.exitCode() == 0)
                let sum = try await Program.output("/usr/bin/sha256sum", [file.path()]).prefix(64)
                #expect(program.stderr.contains("sha256 \(sum)"), "\(program.stderr)")
            }
        }
    }

    @Test("a line of 3 MiB without end is whole")
    func longLine() async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                ["run", Fixture.busybox, "--", "sh", "-c", "head -c 3145728 /dev/zero | tr '\\0' x"],
                environment: state)
            #expect(try await program.exitCode() == 0)
            #expect(program.stdoutData.count == 3 << 20)
        }
    }

    @Test("past the log limit the agent goes on, and what was left out is said")
    func logLimit() async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                [
                    "run", "--log-limit", "1", Fixture.busybox, "--", "sh", "-c",
                    "head -c 3145728 /dev/zero; echo done >&2",
                ], environment: state)
            #expect(try await program.exitCode() == 0)
            #expect(program.stdoutData.count == 1 << 20)
            // "done" and its line feed are left out as well.
            #expect(program.stderr.contains("\((2 << 20) + 5) bytes left out"), "\(program.stderr)")
        }
    }

    @Test("--json prints the finished execution, with the output in it")
    func json() async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                [
                    "run", "--json", "--memory", "128", Fixture.busybox, "--", "sh", "-c",
                    "echo log; echo '{\"n\": [1, 2.5, null]}' > $OUTPUT",
                ], environment: state)
            #expect(try await program.exitCode() == 0)
            let document = try Fixture.document(program.stdout)
            #expect(document["status"] as? String == "succeeded")
            #expect(document["reason"] as? String == "exit")
            #expect(document["exitCode"] as? Int == 0)
            #expect(document["signal"] is NSNull)
            #expect(document["runtime"] as? String == "runc")
            #expect((document["id"] as? String)?.hasPrefix("exe_") == true)
            #expect((document["image"] as? String)?.hasPrefix("sha256:") == true)
            #expect((document["limits"] as? [String: Any])?["memoryMiB"] as? Int == 128)
            #expect((document["usage"] as? [String: Any])?["logBytes"] as? Int == 4)
            let memory = try #require((document["usage"] as? [String: Any])?["maxMemoryBytes"] as? Int)
            #expect(memory > 0 && memory <= 128 << 20)
            let output = try #require((document["output"] as? [String: Any])?["n"] as? [Any])
            #expect(output.count == 3)
        }
    }

    @Test(
        "an output that is refused is 1",
        arguments: [
            ("echo '{' > $OUTPUT", "not JSON"),
            ("head -c 2000 /dev/zero | tr '\\0' 1 > $OUTPUT", "larger than 1 KiB"),
            ("ln -s /etc/passwd $OUTPUT", "regular file"),
            ("mkfifo $OUTPUT", "regular file"),
        ])
    func refusedOutput(script: String, said: String) async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                ["run", "--output-limit", "1", Fixture.busybox, "--", "sh", "-c", script], environment: state)
            #expect(try await program.exitCode() == 1)
            #expect(program.stderr.contains(said), "\(program.stderr)")
        }
    }

    @Test("the input is on stdin, then its end, and in INPUT while it is small")
    func input() async throws {
        try await Fixture.withState { state in
            let small = try Program.paddock(
                ["run", "--input", #"{"a": "ü"}"#, Fixture.busybox, "--", "sh", "-c", "cat; echo; echo $INPUT"],
                environment: state)
            #expect(try await small.exitCode() == 0)
            #expect(small.stdout == "{\"a\": \"ü\"}\n{\"a\": \"ü\"}\n")

            let large = "\"" + String(repeating: "x", count: 4 << 20) + "\""
            let piped = try Program.paddock(
                ["run", "--input", "-", Fixture.busybox, "--", "sh", "-c", "wc -c; echo [$INPUT]"],
                input: Data(large.utf8), environment: state)
            #expect(try await piped.exitCode() == 0)
            #expect(piped.stdout == "\(large.utf8.count)\n[]\n")
        }
    }

    @Test("an agent that never reads a large input is not held up by it")
    func unreadInput() async throws {
        try await Fixture.withState { state in
            let large = "\"" + String(repeating: "x", count: 4 << 20) + "\""
            let program = try Program.paddock(
                ["run", "--input", "-", Fixture.busybox, "--", "echo", "done"], input: Data(large.utf8),
                environment: state)
            #expect(try await program.exitCode() == 0)
            #expect(program.stdout == "done\n")
        }
    }

    @Test("variables, identity and secrets are as the contract says")
    func environment() async throws {
        try await Fixture.withState { state in
            let script = """
                echo $GREETING; echo $HOME $TMPDIR $OUTPUT $PADDOCK_AGENT_ID; id -un; grep localhost /etc/hosts | head -1
                cat /run/paddock/secrets/KEY; echo; stat -c %a /run/paddock/secrets/KEY; env | grep -c s3cret
                """
            let program = try Program.paddock(
                [
                    "run", "--env", "GREETING=hello", "--env", "HOME=/root", "--secret", "KEY=s3cret", Fixture.busybox,
                    "--", "sh", "-c", script,
                ], environment: state)
            try await program.exitCode()
            #expect(
                program.stdout == """
                    hello
                    /tmp /tmp /run/paddock/output.json agt_local
                    agent
                    127.0.0.1 localhost
                    s3cret
                    400
                    0

                    """, "\(program.stdout)\(program.stderr)")
        }
    }

    @Test("a slow reader of stderr gets every byte, also what comes after the agent's end")
    func slowReader() async throws {
        try await Fixture.withState { state in
            let script = """
                "$0" run --cpus 2 "$1" -- sh -c 'head -c 2500000 /dev/zero | tr "\\0" e >&2' 2>&1 >/dev/null \
                | python3 -c 'import sys, time
                total = 0
                while True:
                    block = sys.stdin.buffer.read1(65536)
                    if not block: break
                    total += block.count(b"e")
                    time.sleep(0.1)
                print(total)'
                """
            let program = try Program(
                "/bin/sh", ["-c", script, Program.paddock, Fixture.busybox], environment: state)
            try await program.exitCode()
            let total = try #require(Int(program.stdout.dropLast()))
            // The summary has a few of that letter as well.
            #expect((2_500_000...2_500_050).contains(total))
        }
    }

    @Test(
        "an image's volumes are covered, however they are written",
        arguments: ["/data", "/data/", "//data", "/tmp/"])
    func volumes(path: String) async throws {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                let dockerfile = "FROM \(Fixture.busybox)\nVOLUME [\"\(path)\"]\n"
                try Data(dockerfile.utf8).write(to: folder.appending(path: "Dockerfile"))
                let script = "touch \(path)/x && grep -c ' /data tmpfs\\| /tmp tmpfs' /proc/mounts"
                let program = try Program.paddock(["run", folder.path(), "--", "sh", "-c", script], environment: state)
                #expect(try await program.exitCode() == 0, "\(program.stderr)")
            }
        }
    }

    @Test("what .dockerignore names is not sent")
    func dockerignore() async throws {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                try Data("FROM \(Fixture.busybox)\nCOPY . /all\n".utf8).write(to: folder.appending(path: "Dockerfile"))
                try Data("# comment\na/\n./b\n/c \nd\r\nDockerfile\n*.tmp\n".utf8)
                    .write(to: folder.appending(path: ".dockerignore"))
                for name in ["a", "b", "c", "d", "x.tmp", "kept"] {
                    let inner = folder.appending(path: name)
                    try FileManager.default.createDirectory(at: inner, withIntermediateDirectories: true)
                    try Data("x".utf8).write(to: inner.appending(path: "file"))
                }
                let program = try Program.paddock(
                    ["run", folder.path(), "--", "ls", "/all"], environment: state)
                #expect(try await program.exitCode() == 0, "\(program.stderr)")
                #expect(program.stdout == "kept\n")
            }
        }
    }

    @Test("a folder is built and run, and building it again leaves no second image")
    func folder() async throws {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                for text in ["one", "two"] {
                    let dockerfile = "FROM \(Fixture.busybox)\nCOPY text /text\nENTRYPOINT [\"cat\", \"/text\"]\n"
                    try Data(dockerfile.utf8).write(to: folder.appending(path: "Dockerfile"))
                    try Data(text.utf8).write(to: folder.appending(path: "text"))
                    let program = try Program.paddock(["run", folder.path()], environment: state)
                    #expect(try await program.exitCode() == 0, "\(program.stderr)")
                    #expect(program.stdout == text)
                }
                let images = try await Fixture.withClient { try await Fixture.images(of: folder, $0) }
                #expect(images.count == 1)
            }
        }
    }
}
