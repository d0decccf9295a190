import Entitlements
import Glibc

extension SeccompPolicy {
    /// Namespace flags of clone(2): none may be set. Most of the kernel's recent local root exploits begin with one.
    private static let namespaceFlags: UInt64 = 0x7E02_0080

    /// Calls that take a process and may be made for the caller only: with 0 in its place.
    private static func ofItself(_ calls: [String]) -> Rule {
        Rule(calls: calls, conditions: [.equals(argument: 0, 0)], meaning: "of the caller itself")
    }

    /// The same, where a first argument says what the number names. Never a user: the init has the same one.
    private static func ofItself(_ call: String, process: UInt32, group: UInt32) -> [Rule] {
        [(process, "of the caller itself"), (group, "of the caller's process group")].map { kind, meaning in
            Rule(calls: [call], conditions: [.equals(argument: 0, kind), .equals(argument: 1, 0)], meaning: meaning)
        }
    }

    static let standardGroups: [Group] = [
        Group(
            name: "files", reason: "read and write what the read-only root and the tmpfs hold",
            rules: [
                Rule(calls: [
                    "access", "faccessat", "faccessat2", "open", "openat", "openat2", "creat", "close", "close_range",
                    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2",
                    "pwritev2", "lseek", "_llseek", "dup", "dup2", "dup3", "fcntl", "fcntl64", "flock", "fsync",
                    "fdatasync", "sync", "syncfs", "sync_file_range", "truncate", "ftruncate", "truncate64",
                    "ftruncate64", "fallocate", "fadvise64", "fadvise64_64", "readahead", "sendfile", "sendfile64",
                    "copy_file_range", "splice", "tee", "stat", "fstat", "lstat", "stat64", "fstat64", "lstat64",
                    "newfstatat", "fstatat64", "statx", "statfs", "fstatfs", "statfs64", "fstatfs64", "ustat",
                    "getdents", "getdents64", "getcwd", "chdir", "fchdir", "mkdir", "mkdirat", "rmdir", "rename",
                    "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat",
                    "readlink", "readlinkat", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown",
                    "lchown", "fchownat", "chown32", "fchown32", "lchown32", "umask", "utime", "utimes", "utimensat",
                    "utimensat_time64", "futimesat", "getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr",
                    "flistxattr", "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr",
                    "fremovexattr", "mknod", "mknodat", "pipe", "pipe2", "inotify_init", "inotify_init1",
                    "inotify_add_watch", "inotify_rm_watch", "memfd_create",
                ])
            ]),
        Group(
            name: "memory", reason: "allocate, map, share between its own processes",
            rules: [
                Rule(calls: [
                    "brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise", "mincore", "msync", "mlock",
                    "mlock2", "munlock", "mlockall", "munlockall", "membarrier", "pkey_alloc", "pkey_free",
                    "pkey_mprotect", "get_mempolicy", "rseq", "map_shadow_stack", "remap_file_pages", "cachestat",
                    "mseal",
                ])
            ]),
        Group(
            name: "processes", reason: "start programs and threads, wait for them, ask who they are",
            rules: [
                Rule(calls: [
                    "fork", "vfork", "execve", "execveat", "exit", "exit_group", "wait4", "waitid", "waitpid",
                    "getpid", "gettid", "getppid", "getpgid", "getpgrp", "getsid", "setpgid", "setsid", "getuid",
                    "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups", "getuid32", "geteuid32",
                    "getgid32", "getegid32", "getresuid32", "getresgid32", "getgroups32", "setuid", "setgid",
                    "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid", "setfsgid",
                    "setuid32", "setgid32", "setreuid32", "setregid32", "setresuid32", "setresgid32", "setgroups32",
                    "setfsuid32", "setfsgid32", "capget", "capset", "prctl", "arch_prctl", "set_tid_address",
                    "set_thread_area", "get_thread_area", "set_robust_list", "get_robust_list", "futex",
                    "futex_time64", "futex_waitv", "futex_wait", "futex_wake", "futex_requeue", "getrusage", "times",
                    "pidfd_open", "seccomp", "landlock_create_ruleset", "landlock_add_rule",
                    "landlock_restrict_self", "restart_syscall", "sched_yield", "sched_getaffinity",
                    "sched_getparam", "sched_getscheduler", "sched_getattr", "sched_get_priority_max",
                    "sched_get_priority_min", "sched_rr_get_interval", "sched_rr_get_interval_time64", "getpriority",
                    "ioprio_get", "getrlimit", "ugetrlimit", "setrlimit", "getcpu",
                ])
            ]),
        Group(
            name: "threads and children", reason: "in the sandbox's own namespaces",
            answers: ["CVE-2022-25636", "CVE-2023-32233", "CVE-2024-1086"],
            rules: [
                Rule(
                    calls: ["clone"], conditions: [.bits(argument: 0, mask: namespaceFlags, value: 0)],
                    meaning: "without any CLONE_NEW… flag")
            ]),
        Group(
            name: "priorities and limits",
            reason: "of the caller itself: the init has the same user id and must not be tuned by the agent",
            rules: [
                ofItself([
                    "prlimit64", "sched_setaffinity", "sched_setparam", "sched_setscheduler", "sched_setattr",
                ])
            ] + ofItself("setpriority", process: 0, group: 1) + ofItself("ioprio_set", process: 1, group: 2)),
        Group(
            name: "execution domain", reason: "what it is, and back to Linux; others weaken the memory's layout",
            answers: ["CVE-2009-1895"],
            rules: [
                Rule(calls: ["personality"], conditions: [.equals(argument: 0, 0)], meaning: "PER_LINUX"),
                Rule(calls: ["personality"], conditions: [.equals(argument: 0, 0xFFFF_FFFF)], meaning: "the query"),
            ]),
        Group(
            name: "signals", reason: "handle and send signals within the sandbox",
            rules: [
                Rule(calls: [
                    "kill", "tkill", "tgkill", "sigaltstack", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
                    "rt_sigqueueinfo", "rt_tgsigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
                    "rt_sigtimedwait_time64", "sigaction", "sigprocmask", "sigreturn", "sigsuspend", "sigpending",
                    "signalfd", "signalfd4", "pause",
                ])
            ]),
        Group(
            name: "time", reason: "read clocks, sleep, set timers",
            rules: [
                Rule(calls: [
                    "time", "gettimeofday", "clock_gettime", "clock_gettime64", "clock_getres",
                    "clock_getres_time64", "clock_nanosleep", "clock_nanosleep_time64", "nanosleep", "alarm",
                    "getitimer", "setitimer", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime",
                    "timer_gettime64", "timer_settime", "timer_settime64", "timerfd_create", "timerfd_gettime",
                    "timerfd_gettime64", "timerfd_settime", "timerfd_settime64",
                ])
            ]),
        Group(
            name: "events", reason: "wait for several things at once",
            rules: [
                Rule(calls: [
                    "poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64",
                    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
                    "epoll_ctl_old", "epoll_wait_old", "eventfd", "eventfd2",
                ])
            ]),
        sockets, socketOptions,
        Group(
            name: "terminals and files by ioctl",
            reason: "what shells, runtimes and libraries ask of a descriptor; nothing that types into a terminal",
            answers: ["CVE-2017-5226", "CVE-2019-10063", "CVE-2023-1523", "CVE-2023-28100"],
            rules: ioctls.map { request in
                Rule(calls: ["ioctl"], conditions: [.equals(argument: 1, request.number)], meaning: request.name)
            }),
        Group(
            name: "the host's facts", reason: "versions and numbers that the read-only /proc shows as well",
            rules: [Rule(calls: ["uname", "sysinfo", "getrandom"])]),
    ]

    /// ioctl_tty(2), ioctl(2), netdevice(7). TIOCSTI and TIOCLINUX, which type into a terminal, are not among them.
    private static let ioctls: [(name: String, number: UInt32)] = [
        ("TCGETS", 0x5401), ("TCSETS", 0x5402), ("TCSETSW", 0x5403), ("TCSETSF", 0x5404), ("TCSBRK", 0x5409),
        ("TCXONC", 0x540A), ("TCFLSH", 0x540B), ("TIOCSCTTY", 0x540E), ("TIOCGPGRP", 0x540F), ("TIOCSPGRP", 0x5410),
        ("TIOCGWINSZ", 0x5413), ("TIOCSWINSZ", 0x5414), ("FIONREAD", 0x541B), ("TIOCPKT", 0x5420),
        ("FIONBIO", 0x5421), ("TIOCNOTTY", 0x5422), ("TIOCGSID", 0x5429), ("TIOCGPTN", 0x8004_5430),
        ("TIOCSPTLCK", 0x4004_5431), ("FIONCLEX", 0x5450), ("FIOCLEX", 0x5451), ("FIOASYNC", 0x5452),
        ("FS_IOC_GETFLAGS", 0x8008_6601), ("SIOCATMARK", 0x8905), ("SIOCGIFNAME", 0x8910), ("SIOCGIFCONF", 0x8912),
        ("SIOCGIFFLAGS", 0x8913), ("SIOCGIFADDR", 0x8915), ("SIOCGIFBRDADDR", 0x8919), ("SIOCGIFNETMASK", 0x891B),
        ("SIOCGIFMTU", 0x8921), ("SIOCGIFHWADDR", 0x8927), ("SIOCGIFINDEX", 0x8933),
    ]
}
