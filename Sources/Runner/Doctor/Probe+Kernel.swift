extension Probe {
    /// What it asks of the kernel.
    static let kernelProbes = [
        Probe("mount", "mounts a tmpfs over /tmp", .seccomp, off: [.noSeccomp, .root, .capabilities(["SYS_ADMIN"])]),
        Probe("umount", "unmounts /tmp", .seccomp, off: [.noSeccomp, .root, .capabilities(["SYS_ADMIN"])]),
        Probe(
            "remount-root", "remounts the root file system writable", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["SYS_ADMIN"])]),
        Probe(
            "fsopen", "opens a file system by the new mount API", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["SYS_ADMIN"])]),
        Probe(
            "open-tree", "clones the mount of / by open_tree", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["SYS_ADMIN"])]),
        Probe(
            "pivot-root", "makes /tmp the root by pivot_root", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["SYS_ADMIN"])], .ownLine()),
        Probe("chroot", "changes its root to /tmp", .seccomp, off: [.noSeccomp, .root, .capabilities(["SYS_CHROOT"])]),
        Probe("unshare-user", "unshares its user namespace", .seccomp, off: [.noSeccomp]),
        Probe(
            "unshare-mount", "unshares its mount namespace", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["SYS_ADMIN"])]),
        Probe(
            "unshare-pid", "unshares its pid namespace", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["SYS_ADMIN"])]),
        Probe(
            "unshare-network", "unshares its network namespace", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["SYS_ADMIN"])]),
        Probe(
            "unshare-ipc", "unshares its ipc namespace", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["SYS_ADMIN"])]),
        Probe(
            "unshare-uts", "unshares its uts namespace", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["SYS_ADMIN"])]),
        Probe(
            "unshare-cgroup", "unshares its cgroup namespace", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["SYS_ADMIN"])]),
        Probe(
            "unshare-time", "unshares its time namespace", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["SYS_ADMIN"])]),
        Probe(
            "setns", "enters a namespace by setns", .seccomp, off: [.noSeccomp, .root, .capabilities(["SYS_ADMIN"])]),
        Probe("clone-user", "clones a process into a new user namespace", .seccomp, off: [.noSeccomp]),
        Probe(
            "clone3-user", "clones a process into a new user namespace by clone3", .seccomp, off: [.noSeccomp],
            harmlessUnderGVisor: "the namespaces that clone3 makes are gVisor's own, and it needs clone3 for threads"),
        Probe("io-uring", "sets up an io_uring", .seccomp, off: [.noSeccomp]),
        Probe(
            "aio", "makes a context of asynchronous I/O, of which the host has few (io_setup)", .seccomp,
            off: [.noSeccomp]),
        Probe("add-key", "stores a key in a kernel keyring", .seccomp, off: [.noSeccomp]),
        Probe("keyctl", "joins a new session keyring", .seccomp, off: [.noSeccomp]),
        Probe("bpf", "makes a BPF map", .seccomp, off: [.noSeccomp, .root, .capabilities(["SYS_ADMIN"])]),
        Probe("perf-event", "opens a performance counter", .seccomp, off: [.noSeccomp]),
        Probe("userfaultfd", "handles its page faults by userfaultfd", .seccomp, off: [.noSeccomp]),
        Probe(
            "open-by-handle", "opens the root folder of the host's disk by inode number (open_by_handle_at)", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["DAC_READ_SEARCH"])]),
        Probe("personality", "turns address randomising off by personality", .seccomp, off: [.noSeccomp]),
        Probe("modify-ldt", "writes a segment descriptor by modify_ldt", .seccomp, off: [.noSeccomp]),
        Probe("compat-call", "makes a 32-bit system call (int 0x80)", .seccomp, off: [.noSeccomp]),
        Probe("tiocsti", "types into a terminal of its own by TIOCSTI", .seccomp, off: [.noSeccomp]),
        Probe(
            "kernel-log", "reads the kernel's log by syslog(2)", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["SYSLOG"])]),
        Probe(
            "set-time", "calls settimeofday so that it fails past the permission check", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["SYS_TIME"])]),
        Probe(
            "adjust-time", "calls adjtimex so that it fails past the permission check", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["SYS_TIME"])]),
        Probe(
            "acct", "calls acct so that it fails past the permission check", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["SYS_PACCT"])]),
        Probe(
            "swapon", "calls swapon so that it fails past the permission check", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["SYS_ADMIN"])]),
        Probe("quotactl", "asks for a quota of the disk by quotactl", .seccomp, off: [.noSeccomp]),
        Probe(
            "reboot", "calls reboot with false magic numbers", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["SYS_BOOT"])]),
        Probe(
            "set-hostname", "sets the host name to what it is", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["SYS_ADMIN"])]),
        Probe("sysv-segment", "makes a SysV segment that outlives it", .seccomp, off: [.noSeccomp, .defaultSysctls]),
        Probe(
            "sysv-queue", "makes a SysV message queue that outlives it", .seccomp, off: [.noSeccomp, .defaultSysctls]),
        Probe(
            "sysv-semaphore", "makes a SysV semaphore that outlives it", .seccomp, off: [.noSeccomp, .defaultSysctls]),
        Probe(
            "posix-queue", "makes a POSIX message queue that outlives it", .seccomp, off: [.noSeccomp, .defaultSysctls]),
    ]
}
