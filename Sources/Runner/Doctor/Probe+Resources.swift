import Entitlements

extension Probe {
    /// How much it can use.
    static let resourcesProbes = [
        Probe(
            "fork-bomb", "starts 200 processes", .cgroup, .word("200"), off: [.pids(1000)], .ownLine(),
            harmlessUnderGVisor:
                "gVisor's processes are its own; its cgroup limits the host's tasks that they need, more coarsely"),
        Probe(
            "cpu", "burns on every processor, with a twentieth of one: through from 15 %", .cgroup, .word("15"),
            off: [.wholeCPU],
            .ownLine(limits { $0.cpus = 0.05 }),
            harmlessUnderGVisor: "gVisor counts CPU time by its own clock; the cgroup limits what it really gets"),
        Probe("tmp-bytes", "writes 80 MiB to /tmp", .tmpfs, .word("80"), off: [.unlimitedTmpfs]),
        Probe(
            "tmp-inodes", "makes 17000 files in /tmp", .tmpfs, .word("17000"), off: [.unlimitedTmpfs],
            harmlessUnderGVisor: "gVisor's files are its own memory, which the cgroup limits"),
        Probe("shm-bytes", "writes 5 MiB to /dev/shm", .tmpfs, .word("5"), off: [.unlimitedTmpfs]),
        Probe("run-bytes", "writes 5 MiB to /run/paddock", .tmpfs, .word("5"), off: [.unlimitedTmpfs]),
        Probe("open-files", "opens 1100 descriptors", .processLimits, .word("1100"), off: [.ulimit("nofile", 4096)]),
        Probe("memlock", "locks 16 MiB of memory", .processLimits, off: [.root, .capabilities(["IPC_LOCK"])]),
        Probe("core-dump", "crashes with a core dump in /tmp", .processLimits, off: [.ulimit("core", -1)]),
        Probe(
            "file-size", "makes a file of 4 GiB with a hole in /tmp", .processLimits, off: [.ulimit("fsize", -1)],
            harmlessUnderGVisor:
                "gVisor has no limit of a file's size; what a file holds is its own memory, which the cgroup limits"),
        Probe(
            "memory", "touches 128 MiB of memory where it may have 64", .cgroup, .word("128"), off: [],
            .ending(
                Ending(status: .failed, reason: .memoryLimit), limits: limits { ($0.memoryMiB, $0.pids) = (64, 64) },
                control: ["memory", "128"], controlLimits: limits { $0.memoryMiB = 512 }),
            harmlessUnderGVisor: "gVisor ends as a whole at its memory limit"),
        Probe(
            "tcp-memory", "holds 80 MiB in loopback TCP sockets where it may have 64 MiB of memory", .cgroup,
            .word("80"),
            off: [.tcpMemory], .ownLine(limits { $0.memoryMiB = 64 }),
            harmlessUnderGVisor: "what gVisor's sockets hold is its own memory, which the cgroup limits"),
        Probe(
            "log-flood", "writes 2 MiB to a log of 1", .runner, .word("2"), off: [],
            .ending(
                Ending(status: .succeeded, reason: .exit, note: .logTruncated), limits: limits { $0.logMiB = 1 },
                control: ["log-flood", "2"], controlLimits: limits { $0.logMiB = 4 })),
        Probe(
            "output-link", "makes its output file a link to /etc/passwd", .initProcess, off: [],
            .ending(
                Ending(status: .failed, reason: .outputInvalid), limits: LimitsRequest(), control: ["output-plain"],
                controlLimits: LimitsRequest())),
        Probe(
            "output-pipe", "makes its output file a pipe that nobody writes", .initProcess, off: [],
            .ending(
                Ending(status: .failed, reason: .outputInvalid), limits: LimitsRequest(), control: ["output-plain"],
                controlLimits: LimitsRequest())),
    ]

    private static func limits(_ change: (inout LimitsRequest) -> Void) -> LimitsRequest {
        var limits = LimitsRequest()
        change(&limits)
        return limits
    }
}
