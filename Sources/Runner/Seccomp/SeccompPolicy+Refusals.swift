import Glibc

extension SeccompPolicy {
    static let standardRefusals: [Refusal] = [
        Refusal(
            calls: ["clone3"],
            reason: "its flags are in memory, where no filter sees them; C libraries fall back to clone",
            answers: ["CVE-2021-41133"], errno: ENOSYS,
            gvisorReason: "runsc answers EPERM where it is told ENOSYS, after which C libraries make no thread; the "
                + "namespaces that it can make are gVisor's own"),
        Refusal(
            calls: ["unshare", "setns"],
            reason: "a namespace of one's own opens kernel code that only root reached before",
            answers: ["CVE-2022-0185", "CVE-2022-25636", "CVE-2023-32233", "CVE-2024-1086"]),
        Refusal(
            calls: [
                "mount", "umount", "umount2", "pivot_root", "chroot", "fsopen", "fsconfig", "fsmount", "fspick",
                "move_mount", "open_tree", "open_tree_attr", "mount_setattr", "statmount", "listmount",
            ],
            reason: "the mounts are the fence", answers: ["CVE-2022-0185", "CVE-2021-41133"]),
        Refusal(
            calls: ["bpf"], reason: "its verifier has let code into the kernel",
            answers: ["CVE-2017-16995", "CVE-2020-8835", "CVE-2021-3490"]),
        Refusal(
            calls: ["perf_event_open"], reason: "measures others, and has been a way to root",
            answers: ["CVE-2013-2094"]),
        Refusal(
            calls: [
                "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "pidfd_send_signal",
                "process_madvise", "process_mrelease",
            ],
            reason: "reaches into other processes, the init among them", answers: ["CVE-2019-13272"]),
        Refusal(
            calls: ["userfaultfd"], reason: "stops the kernel in the middle of a copy: the helper of many exploits",
            answers: ["CVE-2018-18397"]),
        Refusal(
            calls: ["io_uring_setup", "io_uring_enter", "io_uring_register"],
            reason: "does what no filter sees, with a record of holes",
            answers: ["CVE-2021-41073", "CVE-2022-2602", "CVE-2022-29582", "CVE-2023-2598"]),
        Refusal(
            calls: [
                "io_setup", "io_submit", "io_getevents", "io_pgetevents", "io_pgetevents_time64", "io_cancel",
                "io_destroy",
            ],
            reason: "the whole host has one number of them (fs.aio-max-nr), which one agent could take; programs that "
                + "ask use threads instead"),
        Refusal(
            calls: ["keyctl", "add_key", "request_key"], reason: "keyrings are not confined by namespaces",
            answers: ["CVE-2016-0728"]),
        Refusal(
            calls: ["open_by_handle_at", "name_to_handle_at"],
            reason: "opens files past the root folder: the Shocker escape", answers: ["CVE-2014-3519"]),
        Refusal(
            calls: [
                "kexec_load", "kexec_file_load", "init_module", "finit_module", "delete_module", "create_module",
                "get_kernel_syms", "query_module", "reboot",
            ],
            reason: "replaces or changes the kernel"),
        Refusal(
            calls: [
                "shmget", "shmat", "shmdt", "shmctl", "semget", "semop", "semtimedop", "semtimedop_time64", "semctl",
                "msgget", "msgsnd", "msgrcv", "msgctl", "ipc", "mq_open", "mq_unlink", "mq_timedsend",
                "mq_timedsend_time64", "mq_timedreceive", "mq_timedreceive_time64", "mq_notify", "mq_getsetattr",
            ],
            reason: "what they make outlives its process and is charged to nobody", answers: ["CVE-2017-11176"]),
        Refusal(
            calls: [
                "settimeofday", "clock_settime", "clock_settime64", "clock_adjtime", "clock_adjtime64", "adjtimex",
                "stime", "sethostname", "setdomainname", "syslog", "acct", "swapon", "swapoff", "quotactl",
                "quotactl_fd", "iopl", "ioperm", "modify_ldt", "vm86", "vm86old", "vhangup", "lookup_dcookie",
                "nfsservctl", "uselib", "_sysctl", "sysfs", "fanotify_init", "fanotify_mark",
            ],
            reason: "administers the host, or belongs to hardware and kernels of long ago"),
        Refusal(
            calls: [
                "vmsplice", "memfd_secret", "migrate_pages", "move_pages", "mbind", "set_mempolicy",
                "set_mempolicy_home_node",
            ],
            reason: "kernel code that agents do not need", answers: ["CVE-2008-0600", "CVE-2010-0415"]),
    ]
}
