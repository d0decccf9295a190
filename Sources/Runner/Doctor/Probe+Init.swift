extension Probe {
    private static let gvisorShowsInit =
        "gVisor shows the init's /proc to its own user: no secret is in it, and its memory stays closed"

    /// What it may do to its init and see of others.
    static let initProbes = [
        Probe("init-mem", "reads a byte of /proc/1/mem", .initProcess, off: [.noInit]),
        Probe("init-vm-read", "reads a byte of PID 1 by process_vm_readv", .initProcess, off: [.noInit, .noSeccomp]),
        Probe(
            "init-environ", "reads /proc/1/environ", .initProcess, off: [.noInit], harmlessUnderGVisor: gvisorShowsInit),
        Probe("init-maps", "reads /proc/1/maps", .initProcess, off: [.noInit], harmlessUnderGVisor: gvisorShowsInit),
        Probe("init-fd", "lists /proc/1/fd", .initProcess, off: [.noInit], harmlessUnderGVisor: gvisorShowsInit),
        Probe("init-root", "follows /proc/1/root", .initProcess, off: [.noInit]),
        Probe("init-cwd", "follows /proc/1/cwd", .initProcess, off: [.noInit]),
        Probe("init-exe", "follows /proc/1/exe", .initProcess, off: [.noInit]),
        Probe("init-getfd", "takes a descriptor of PID 1 by pidfd_getfd", .initProcess, off: [.noInit, .noSeccomp]),
        Probe("init-ptrace", "traces PID 1", .initProcess, off: [.noInit, .noSeccomp]),
        Probe(
            "init-kill", "sends SIGKILL to PID 1 and looks whether it lives", .namespaces, off: [.noInit], .ownLine(),
            harmlessUnderGVisor: "gVisor lets a sandbox kill its own init, and ends with it"),
        Probe(
            "init-stop", "sends SIGSTOP to PID 1 and looks whether it goes on", .namespaces, off: [.noInit], .ownLine(),
            harmlessUnderGVisor: "gVisor lets a sandbox stop its own init; the runner's timeout ends both"),
        Probe("init-prlimit", "sets a resource limit of PID 1", .seccomp, off: [.noInit, .noSeccomp]),
        Probe("init-affinity", "sets the processors of PID 1", .seccomp, off: [.noInit, .noSeccomp]),
        Probe("init-priority", "sets the priority of PID 1", .seccomp, off: [.noInit, .noSeccomp]),
        Probe("init-ioprio", "sets the I/O priority of PID 1", .seccomp, off: [.noInit, .noSeccomp]),
        Probe(
            "other-processes", "looks in /proc for processes other than itself and PID 1", .namespaces,
            off: [.otherSandboxProcesses], .ownLine()),
        Probe(
            "other-sandbox", "looks for a process whose command line has its word", .namespaces,
            .word(DoctorSurroundings.word), off: [.otherSandboxProcesses], .ownLine()),
        Probe(
            "environment", "looks for a secret in its environment and PID 1's", .hand, .word(DoctorSurroundings.word),
            off: [.environment("TOKEN=\(DoctorSurroundings.word)")]),
        Probe(
            "loader-environment", "looks for LD_* in its environment (the image sets LD_PRELOAD=/none.so)", .hand,
            off: []),
        Probe("descriptors", "looks for descriptors that it inherited", .initProcess, off: [.noInit]),
    ]
}
