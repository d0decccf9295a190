import Glibc

extension SeccompPolicy {
    /// Namespace flags of clone(2): none may be set.
    private static let namespaceFlags: UInt64 = 0x7E02_0080

    private static func socket(_ family: Int32, _ type: UInt64) -> Rule {
        // The type's upper bits are SOCK_NONBLOCK and SOCK_CLOEXEC.
        Rule(
            calls: ["socket"],
            conditions: [
                .equals(argument: 0, UInt32(family)), .bits(argument: 1, mask: 0xF, value: type),
            ])
    }

    /// Calls that take a process and may be made for the caller only: with 0 in its place.
    private static func ofItself(_ calls: [String], argument: Int = 0) -> Rule {
        Rule(calls: calls, conditions: [.equals(argument: argument, 0)])
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
                ]),
                // No new namespace: most of the kernel's recent local root exploits begin with one.
                Rule(calls: ["clone"], conditions: [.bits(argument: 0, mask: namespaceFlags, value: 0)]),
                // Of itself only: the init has the same user id and must not be tuned by the agent.
                ofItself([
                    "prlimit64", "sched_setaffinity", "sched_setparam", "sched_setscheduler", "sched_setattr",
                ]),
                ofItself(["setpriority", "ioprio_set"], argument: 1),
                // What it is, and back to it; no other execution domain.
                Rule(calls: ["personality"], conditions: [.equals(argument: 0, 0)]),
                Rule(calls: ["personality"], conditions: [.equals(argument: 0, 0xFFFF_FFFF)]),
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
                    "epoll_ctl_old", "epoll_wait_old", "eventfd", "eventfd2", "io_setup", "io_submit", "io_getevents",
                    "io_pgetevents", "io_pgetevents_time64", "io_cancel", "io_destroy",
                ])
            ]),
        Group(
            name: "sockets", reason: "talk within the sandbox, whose only interface is loopback",
            rules: [
                socket(AF_UNIX, 1), socket(AF_UNIX, 2), socket(AF_UNIX, 5),
                socket(AF_INET, 1), socket(AF_INET, 2), socket(AF_INET6, 1), socket(AF_INET6, 2),
                Rule(calls: [
                    "socketpair", "bind", "listen", "accept", "accept4", "connect", "getsockname", "getpeername",
                    "getsockopt", "setsockopt", "send", "sendto", "sendmsg", "sendmmsg", "recv", "recvfrom",
                    "recvmsg", "recvmmsg", "recvmmsg_time64", "shutdown",
                ]),
            ]),
        Group(
            name: "terminals and files by ioctl", reason: "what shells, runtimes and libraries ask of a descriptor",
            rules: ioctls.map { Rule(calls: ["ioctl"], conditions: [.equals(argument: 1, $0)]) }),
        Group(
            name: "the host's facts", reason: "versions and numbers that the read-only /proc shows as well",
            rules: [Rule(calls: ["uname", "sysinfo", "getrandom"])]),
    ]

    /// By number: TIOCSTI and TIOCLINUX, which type into a terminal, are not among them (CVE-2016-2568 and its kin).
    private static let ioctls: [UInt32] = [
        0x5401, 0x5402, 0x5403, 0x5404,  // TCGETS, TCSETS, TCSETSW, TCSETSF
        0x5409, 0x540A, 0x540B,  // TCSBRK, TCXONC, TCFLSH
        0x540E, 0x540F, 0x5410,  // TIOCSCTTY, TIOCGPGRP, TIOCSPGRP
        0x5413, 0x5414,  // TIOCGWINSZ, TIOCSWINSZ
        0x541B, 0x5420, 0x5421, 0x5422,  // FIONREAD, TIOCPKT, FIONBIO, TIOCNOTTY
        0x5429, 0x5430, 0x5431,  // TIOCGSID, TIOCGPTN, TIOCSPTLCK
        0x5450, 0x5451, 0x5452,  // FIONCLEX, FIOCLEX, FIOASYNC
        0x8008_6601,  // FS_IOC_GETFLAGS
        0x8905, 0x8910, 0x8912, 0x8913,  // SIOCATMARK, SIOCGIFNAME, SIOCGIFCONF, SIOCGIFFLAGS
        0x8915, 0x8919, 0x891B, 0x8921, 0x8927, 0x8933,  // SIOCGIF: ADDR, BRDADDR, NETMASK, MTU, HWADDR, INDEX
    ]

    static let standardRefusals: [Refusal] = [
        Refusal(
            calls: ["clone3"],
            reason: "its flags are in memory, where no filter sees them; C libraries fall back to clone", errno: ENOSYS),
        Refusal(
            calls: ["unshare", "setns"],
            reason: "a namespace of one's own opens kernel code that only root reached before "
                + "(CVE-2022-0185, CVE-2022-25636, CVE-2023-32233)"),
        Refusal(
            calls: [
                "mount", "umount", "umount2", "pivot_root", "chroot", "fsopen", "fsconfig", "fsmount", "fspick",
                "move_mount", "open_tree", "mount_setattr", "statmount", "listmount",
            ],
            reason: "the mounts are the fence (CVE-2022-0185 in fsconfig)"),
        Refusal(
            calls: ["bpf"], reason: "its verifier has let code into the kernel (CVE-2020-8835, CVE-2021-3490)"),
        Refusal(
            calls: ["perf_event_open"], reason: "measures others, and has been a way to root (CVE-2013-2094)"),
        Refusal(
            calls: [
                "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "pidfd_send_signal",
                "process_madvise", "process_mrelease",
            ],
            reason: "reaches into other processes, the init among them"),
        Refusal(
            calls: ["userfaultfd"], reason: "stops the kernel in the middle of a copy: the helper of many exploits"),
        Refusal(
            calls: ["io_uring_setup", "io_uring_enter", "io_uring_register"],
            reason: "does what no filter sees, with a record of holes (CVE-2022-29582, CVE-2023-2598)"),
        Refusal(
            calls: ["keyctl", "add_key", "request_key"],
            reason: "keyrings are not confined by namespaces (CVE-2016-0728)"),
        Refusal(
            calls: ["open_by_handle_at", "name_to_handle_at"],
            reason: "opens files past the root folder: the Shocker escape (CVE-2014-3519)"),
        Refusal(
            calls: ["kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "reboot"],
            reason: "replaces or changes the kernel"),
        Refusal(
            calls: [
                "shmget", "shmat", "shmdt", "shmctl", "semget", "semop", "semtimedop", "semctl", "msgget", "msgsnd",
                "msgrcv", "msgctl", "ipc", "mq_open", "mq_unlink", "mq_timedsend", "mq_timedreceive", "mq_notify",
                "mq_getsetattr",
            ],
            reason: "what they make outlives its process and is charged to nobody"),
        Refusal(
            calls: [
                "settimeofday", "clock_settime", "clock_settime64", "clock_adjtime", "clock_adjtime64", "adjtimex",
                "stime", "sethostname", "setdomainname", "syslog", "acct", "swapon", "swapoff", "quotactl",
                "quotactl_fd", "iopl", "ioperm", "modify_ldt", "vm86", "vm86old", "vhangup", "lookup_dcookie",
                "nfsservctl", "uselib", "_sysctl", "sysfs", "fanotify_init", "fanotify_mark",
            ],
            reason: "administers the host"),
        Refusal(
            calls: ["vmsplice", "memfd_secret", "migrate_pages", "move_pages", "mbind", "set_mempolicy"],
            reason: "kernel code that agents do not need (CVE-2008-0600 in vmsplice)"),
    ]
}
