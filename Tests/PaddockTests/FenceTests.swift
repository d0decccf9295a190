import Foundation
import Testing

/// What the fence of this issue keeps from an agent, each with a control: the same probe without the defence.
@Suite("The fence")
struct FenceTests {
    /// A probe that prints `escaped` when it gets through, and the Docker flags under which it does.
    struct Probe: Sendable, CustomTestStringConvertible {
        let name: String
        let script: String
        var control: [String] = []
        var image = Fixture.busybox
        var testDescription: String { name }
    }

    static let probes = [
        Probe(name: "is not root", script: "[ $(id -u) = 0 ] && echo escaped", control: ["--user", "0"]),
        Probe(name: "writes to the root file system", script: "touch /x && echo escaped", control: ["--user", "0"]),
        Probe(
            name: "has capabilities", script: "grep -q 'CapBnd:.*[1-9a-f]' /proc/self/status && echo escaped"),
        Probe(
            name: "may gain privileges", script: "grep -q 'NoNewPrivs:.*0' /proc/self/status && echo escaped"),
        Probe(
            name: "has an interface", script: "grep -v lo: /proc/net/dev | grep -q : && echo escaped"),
        Probe(
            name: "has more processes than its limit",
            script:
                "for i in 1 2 3 4 5 6 7 8 9; do sleep 3 & done; [ $(ls -d /proc/[0-9]* | wc -l) -gt 9 ] && echo escaped"
        ),
        Probe(
            name: "executes what it wrote to /tmp",
            script: "cp /bin/busybox /tmp/echo && /tmp/echo escaped"),
        Probe(
            name: "fills /tmp beyond its size",
            script: "head -c 9437184 /dev/zero > /tmp/x && echo escaped"),
        Probe(
            name: "makes more files in /tmp than its inodes",
            script: "i=0; while [ $i -lt 2200 ]; do : > /tmp/$i || exit; i=$((i+1)); done; echo escaped"),
        Probe(
            name: "reads the memory of PID 1", script: "head -c 1 /proc/1/environ >/dev/null && echo escaped",
            control: ["--user", "0", "--init"]),
    ]

    @Test("clone3 is unknown rather than refused, so that C libraries fall back")
    func clone3() async throws {
        try await Fixture.withState { state in
            let script =
                "import ctypes, threading\nlibc = ctypes.CDLL(None, use_errno=True)\n"
                + "print(libc.syscall(435, 0, 0), ctypes.get_errno())\n"
                + "thread = threading.Thread(target=print, args=(\"thread\",))\nthread.start()\nthread.join()"
            let program = try Program.paddock(
                ["run", "-q", Fixture.python, "--", "python3", "-c", script], environment: state)
            #expect(try await program.exitCode() == 0)
            #expect(program.stdout == "-1 38\nthread\n", "\(program.stderr)")
        }
    }

    @Test("held by Paddock", arguments: probes)
    func held(probe: Probe) async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                [
                    "run", "-q", "--memory", "64", "--tmp-size", "8", "--pids", "8", probe.image, "--", "sh", "-c",
                    "echo probed; " + probe.script,
                ], environment: state)
            try await program.exitCode()
            #expect(program.stdout.contains("probed"), "the probe did not run: \(program.stderr)")
            #expect(!program.stdout.contains("escaped"), "\(program.stdout)")
        }
    }

    @Test("control: without the defence the same probe gets through", arguments: probes)
    func control(probe: Probe) async throws {
        let arguments =
            ["run", "--rm"] + probe.control + [probe.image, "sh", "-c", probe.script]
        let output = try await Program.output("/usr/bin/env", ["docker"] + arguments)
        #expect(output.contains("escaped"))
    }
}
