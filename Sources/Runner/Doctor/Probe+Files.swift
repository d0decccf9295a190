extension Probe {
    /// What it may read and write.
    static let filesProbes = [
        Probe("sysctl", "writes /proc/sys/vm/swappiness (the same value)", .user, off: [.root, .systemPaths]),
        Probe(
            "core-pattern", "writes /proc/sys/kernel/core_pattern (the same value)", .user, off: [.root, .systemPaths]),
        Probe("ipc-sysctl", "writes /proc/sys/kernel/shmmni (the same value)", .user, off: [.root, .systemPaths]),
        Probe(
            "network-sysctl", "writes /proc/sys/net/ipv4/ip_default_ttl (the same value)", .user,
            off: [.root, .systemPaths]),
        Probe("write-sys", "writes a file of /sys (the same value)", .user, off: [.root, .bind("/sys/kernel/mm/ksm")]),
        Probe("proc-keys", "reads /proc/keys", .kernelFiles, off: [.systemPaths]),
        Probe(
            "proc-cmdline", "reads the host's boot arguments in /proc/cmdline", .kernelFiles, off: [.systemPaths],
            harmlessUnderGVisor: "what gVisor shows there is of its own making"),
        Probe("proc-disks", "reads what the host's disks do in /proc/diskstats", .kernelFiles, off: [.systemPaths]),
        Probe("timer-list", "reads /proc/timer_list", .kernelFiles, off: [.root, .systemPaths]),
        Probe(
            "kallsyms", "reads addresses of kernel functions in /proc/kallsyms", .capabilities,
            off: [.root, .systemPaths, .capabilities(["SYSLOG"])]),
        Probe(
            "pagemap", "reads the physical address of a page in /proc/self/pagemap", .capabilities,
            off: [.root, .capabilities(["SYS_ADMIN"])]),
        Probe("sys-firmware", "lists /sys/firmware", .kernelFiles, off: [.systemPaths]),
        Probe(
            "cgroup-mkdir", "makes a cgroup", .kernelFiles,
            off: [.root, .writableCgroup, .capabilities(["DAC_OVERRIDE"])]),
        Probe("cgroup-move", "moves itself to the root cgroup in sight", .kernelFiles, off: [.root, .writableCgroup]),
        Probe(
            "cgroup-limit", "remounts its cgroup writable and sets its own memory limit", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["SYS_ADMIN"])]),
        Probe(
            "release-agent", "opens release_agent of a cgroup, mounting one if need be", .seccomp,
            off: [.noSeccomp, .root, .hostCgroupNamespace, .capabilities(["SYS_ADMIN"])]),
        Probe(
            "write-root", "writes a file in a folder of the image that everybody may write", .root,
            .word("/probe-folder"), off: [.writableRoot]),
        Probe("write-passwd", "writes /etc/passwd (the same byte)", .root, off: [.root, .writableMounts]),
        Probe("write-hosts", "writes /etc/hosts (the same byte)", .root, off: [.root, .writableMounts]),
        Probe("exec-tmp", "runs a program that it wrote to /tmp", .tmpfs, off: [.exec]),
        Probe("exec-shm", "runs a program that it wrote to /dev/shm", .tmpfs, off: [.exec]),
        Probe("exec-run", "runs a program that it wrote to /run/paddock", .tmpfs, off: [.exec]),
        Probe(
            "map-tmp", "maps a file of /tmp as code", .tmpfs, off: [.exec],
            harmlessUnderGVisor: "gVisor maps what it may not execute; it is the agent's own code in gVisor's kernel"),
        Probe(
            "device-tmp", "makes and opens a node of the null device in /tmp", .capabilities,
            off: [.root, .dev, .capabilities(["MKNOD"])],
            harmlessUnderGVisor: "gVisor's devices are its own, and none is the host's"),
        Probe(
            "kmsg-node", "makes a node of /dev/kmsg and reads from it", .capabilities,
            off: [.root, .dev, .deviceRule("c 1:11 rm"), .capabilities(["MKNOD", "SYSLOG"])]),
        Probe(
            "strange-device", "opens any device in /dev that not every container has", .devices,
            off: [.root, .device("/dev/fuse")],
            harmlessUnderGVisor: "gVisor's devices are its own, and none is the host's"),
    ]
}
