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

    /// System calls that the seccomp profile refuses. Each must fail with EPERM inside, and not so without a profile:
    /// there the kernel itself may still object, by another error.
    static let refusedCalls = [
        ("unshare(CLONE_NEWUSER)", "libc.unshare(0x10000000)"),
        ("setns", "libc.syscall(308, -1, 0)"),
        ("clone(CLONE_NEWUSER)", "libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0) or os._exit(0)"),
        ("mount", "libc.syscall(165, 0, 0, 0, 0, 0)"),
        ("fsopen", "libc.syscall(430, 0, 0)"),
        ("bpf", "libc.syscall(321, 99, 0, 0)"),
        ("ptrace", "libc.syscall(101, 0, 0, 0, 0)"),
        ("process_vm_readv", "libc.syscall(310, os.getpid(), 0, 0, 0, 0, 0)"),
        ("userfaultfd", "libc.syscall(323, -1)"),
        ("io_uring_setup", "libc.syscall(425, 0, 0)"),
        ("keyctl", "libc.syscall(250, 0, -3, 0)"),
        ("open_by_handle_at", "libc.syscall(304, -1, 0, 0)"),
        ("personality(READ_IMPLIES_EXEC)", "libc.syscall(135, 0x0400000)"),
        ("prlimit of PID 1", "libc.syscall(302, 1, 7, 0, 0)"),
        ("ioctl(TIOCSTI)", "libc.syscall(16, -1, 0x5412, 0)"),
        ("ioctl(TIOCSTI) with a high bit set", "libc.syscall(16, -1, ctypes.c_ulong(1 << 32 | 0x5412), 0)"),
        ("socket(AF_VSOCK)", "libc.syscall(41, 40, 1, 0)"),
        ("socket(AF_NETLINK)", "libc.syscall(41, 16, 3, 0)"),
        ("socket(AF_ALG)", "libc.syscall(41, 38, 5, 0)"),
        ("socket(AF_INET, SOCK_RAW)", "libc.syscall(41, 2, 3, 1) if os.getuid() else 0"),
        ("shmget", "libc.syscall(29, 0, 4096, 0)"),
    ].map { Probe(name: $0.0, script: Self.script(calling: $0.1), image: Fixture.python) }

    private static func script(calling call: String) -> String {
        """
        python3 -c '
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        result = \(call)
        print("escaped" if result != -1 or ctypes.get_errno() != 1 else "refused")'
        """
    }

    @Test("refused by the seccomp profile", arguments: refusedCalls)
    func refused(probe: Probe) async throws {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                ["run", "-q", Fixture.python, "--", "sh", "-c", probe.script], environment: state)
            try await program.exitCode()
            #expect(program.stdout.contains("refused"), "\(program.stdout)\(program.stderr)")
        }
    }

    @Test("control: without the seccomp profile the same call gets further", arguments: refusedCalls)
    func refusedControl(probe: Probe) async throws {
        // With the capabilities that these calls ask for, so that it is not their lack that refuses them.
        let capabilities = ["SYS_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH"].flatMap { ["--cap-add", $0] }
        let arguments = ["run", "--rm", "--user", "0", "--security-opt", "seccomp=unconfined"] + capabilities
        let output = try await Program.output(
            "/usr/bin/env", ["docker"] + arguments + [Fixture.python, "sh", "-c", probe.script])
        #expect(output.contains("escaped"), "\(output)")
    }

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
