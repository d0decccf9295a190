import Foundation
import Runner
import Testing

/// Calls that the seccomp profile refuses, made for real in a sandbox; and again in a container without a profile, where
/// each gets further. The kernel may object there as well, but by another error.
@Suite("Calls that the profile refuses")
struct RefusedCallTests {
    struct Call {
        let label: String
        let number: Int
        let arguments: [UInt64]

        /// - Parameter label: words of its own where the name is not enough.
        init(_ name: String, _ arguments: UInt64..., label: String? = nil) {
            self.label = label.map { "\(name): \($0)" } ?? name
            number = SyscallTable.number(of: name) ?? -1
            self.arguments = arguments
        }
    }

    private static let none = UInt64.max

    /// With arguments that do no harm where they get through.
    static let calls: [Call] =
        [
            ("mount", 0x0002_0000), ("cgroup", 0x0200_0000), ("uts", 0x0400_0000), ("ipc", 0x0800_0000),
            ("user", 0x1000_0000), ("pid", 0x2000_0000), ("network", 0x4000_0000),
        ].flatMap { (name: String, flag: UInt64) in
            [Call("clone", flag | 17, label: "\(name) namespace"), Call("unshare", flag, label: "\(name) namespace")]
        } + [
            Call("unshare", 0x80, label: "time namespace"), Call("setns", none, 0),
            Call("mount"), Call("umount2", 0, 0xFFFF), Call("pivot_root"), Call("chroot"), Call("fsopen"),
            Call("fsconfig", none, 0xFF), Call("fsmount", none, 0xFF), Call("fspick", none, 0, 0xFF),
            Call("move_mount", none, 0, none, 0, 0xFFFF), Call("open_tree", none, 0, 0xFF),
            Call("mount_setattr", none, 0, 0xFF, 0, 0),
            Call("bpf", 99), Call("perf_event_open", 0, 0, none, none, 0xFF), Call("userfaultfd", none),
            Call("ptrace", 99), Call("process_vm_readv"), Call("process_vm_writev", 0, 0, 0, 0, 0, 1), Call("kcmp"),
            Call("pidfd_getfd", none), Call("pidfd_send_signal", none), Call("process_madvise", none),
            Call("io_setup", 1, 0), Call("io_submit"), Call("io_getevents"), Call("io_destroy"),
            Call("io_uring_setup"), Call("io_uring_enter", none), Call("io_uring_register", none),
            Call("keyctl", 0, none - 2, 0), Call("add_key"), Call("request_key"),
            Call("open_by_handle_at", none), Call("name_to_handle_at", none),
            Call("kexec_load", 0, 0, 0, 0xFFFF), Call("kexec_file_load", none, none, 0, 0, 0xFFFF),
            Call("init_module"), Call("finit_module", none), Call("delete_module"),
            Call("shmget", 0, 4096, 0), Call("semget", 0, 1, 0), Call("msgget", 0, 0), Call("mq_open", 0, 0xFF),
            Call("vmsplice", none), Call("move_pages", 0, 1), Call("fanotify_init", 0xFFFF_FFFF),
            Call("personality", 0x0004_0000, label: "no address randomising"),
            Call("personality", 0x0040_0000, label: "READ_IMPLIES_EXEC"),
            Call("ioctl", none, 0x5412, label: "TIOCSTI"),
            Call("ioctl", none, 1 << 32 | 0x5412, label: "TIOCSTI with a high bit"),
            Call("ioctl", none, 0x541C, label: "TIOCLINUX"),
            Call("prlimit64", 1, 7, 0, 0, label: "of PID 1"), Call("sched_setaffinity", 1, 0, 0, label: "of PID 1"),
            Call("setpriority", 0, 1, 0, label: "of PID 1"), Call("setpriority", 2, 0, 0, label: "of its user"),
            Call("ioprio_set", 1, 1, 0, label: "of PID 1"), Call("ioprio_set", 3, 0, 0, label: "of its user"),
        ] + sockets

    private static let sockets: [Call] =
        socketCalls(
            "socket",
            [
                ("netlink", 16, 3, 0), ("packet", 17, 3, 0), ("RDS", 21, 5, 0), ("CAN", 29, 3, 0), ("TIPC", 30, 2, 0),
                ("bluetooth", 31, 3, 0), ("crypto", 38, 5, 0), ("vsock", 40, 1, 0), ("XDP", 44, 3, 0),
                ("IPv4 raw", 2, 3, 1), ("IPv4 DCCP", 2, 6, 0), ("IPv6 raw", 10, 3, 1), ("unix raw", 1, 3, 0),
                ("MPTCP", 2, 1, 262), ("IPv6 MPTCP", 10, 1, 262), ("ping", 2, 2, 1), ("IPv6 ping", 10, 2, 58),
                ("UDP-Lite", 2, 2, 136), ("IPv6 UDP-Lite", 10, 2, 136), ("SCTP", 2, 1, 132),
                ("unix protocol 2", 1, 1, 2),
            ]) + socketCalls("socketpair", [("TIPC", 30, 2, 0), ("IPv4", 2, 1, 0)])
        + [26, 50, 51, 52, 1 << 32 | 26].map { Call("setsockopt", none, 1, $0, 0, 0, label: "option \($0)") }

    private static func socketCalls(
        _ call: String, _ sockets: [(name: String, family: UInt64, type: UInt64, number: UInt64)]
    ) -> [Call] {
        sockets.map { Call(call, $0.family, $0.type, $0.number, label: $0.name) }
    }

    /// Each call in a child of its own. Prints the error, or 0.
    private static let script = """
        import ctypes, json, os, sys
        libc = ctypes.CDLL(None, use_errno=True)
        libc.syscall.restype = ctypes.c_long
        for number, arguments in json.loads(sys.argv[1]):
            child = os.fork()
            if child == 0:
                words = [ctypes.c_ulong(a) for a in arguments + [0] * (6 - len(arguments))]
                os._exit(ctypes.get_errno() if libc.syscall(number, *words) == -1 else 0)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """

    private static func command(_ calls: [Call]) throws -> [String] {
        let list = calls.map { call in "[\(call.number), [\(call.arguments.map(String.init).joined(separator: ","))]]" }
        return ["python3", "-c", script, "[\(list.joined(separator: ","))]"]
    }

    private func inside(_ calls: [Call]) async throws -> [Int] {
        try await Fixture.withState { state in
            let program = try Program.paddock(
                ["run", "-q", Fixture.python, "--"] + Self.command(calls), environment: state)
            #expect(try await program.exitCode() == 0, "\(program.stderr)")
            return program.stdout.split(separator: "\n").compactMap { Int($0) }
        }
    }

    private func withoutProfile(_ calls: [Call]) async throws -> [Int] {
        // With the capabilities that these calls ask for, so that it is not their lack that refuses them.
        let capabilities = [
            "SYS_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH", "SYS_BOOT", "SYS_MODULE", "SYS_NICE", "NET_ADMIN",
        ].flatMap { ["--cap-add", $0] }
        let arguments = ["run", "--rm", "--user", "0", "--security-opt", "seccomp=unconfined"] + capabilities
        let output = try await Program.output(
            "/usr/bin/env", ["docker"] + arguments + [Fixture.python] + Self.command(calls))
        return output.split(separator: "\n").compactMap { Int($0) }
    }

    @Test("each is EPERM in a sandbox, and gets further without the profile")
    func refused() async throws {
        let inside = try await inside(Self.calls)
        let outside = try await withoutProfile(Self.calls)
        try #require(inside.count == Self.calls.count && outside.count == Self.calls.count)
        for (call, (inside, outside)) in zip(Self.calls, zip(inside, outside)) {
            #expect(call.number >= 0, "\(call.label) is no call here")
            #expect(inside == Int(EPERM), "\(call.label): \(inside) in the sandbox")
            #expect(outside != Int(EPERM), "\(call.label): refused without the profile too")
        }
    }

    @Test("what the conditions let through gets through")
    func letThrough() async throws {
        let calls = [
            Call("setpriority", 0, 0, 0), Call("ioprio_set", 1, 0, 0x4004), Call("prlimit64", 0, 7, 0, 0),
            Call("personality", 0xFFFF_FFFF), Call("socket", 1, 0o2000001), Call("socket", 10, 2),
            Call("socket", 2, 1), Call("socket", 2, 1, 6), Call("socket", 10, 2, 17), Call("socket", 1, 5, 1),
            Call("clone", 17),
        ]
        #expect(try await inside(calls) == Array(repeating: 0, count: calls.count))
        // Past the filter, there is no such descriptor.
        let options = [
            Call("setsockopt", Self.none, 1, 27), Call("setsockopt", Self.none, 1, 49),
            Call("setsockopt", Self.none, 1, 53), Call("setsockopt", Self.none, 1, 2),
            Call("setsockopt", Self.none, 6, 26), Call("setsockopt", Self.none, 41, 26),
        ]
        #expect(try await inside(options) == Array(repeating: Int(EBADF), count: options.count))
    }

    #if arch(x86_64)
        @Test("a call by x32's number ends the process")
        func x32() async throws {
            let call = Call("getpid")
            let x32 = [Call(number: 0x4000_0000 | call.number)]
            #expect(try await inside(x32) == [-Int(SIGSYS)])
            #expect(try await withoutProfile(x32) != [-Int(SIGSYS)])
        }
    #endif

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
}

extension RefusedCallTests.Call {
    init(number: Int) {
        label = "\(number)"
        self.number = number
        arguments = []
    }
}
