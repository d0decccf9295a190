import Entitlements

/// What holds a probe, and what to do where it does not.
public enum Defence: String, Sendable, Codable, CaseIterable {
    case seccomp
    case capabilities = "no capabilities"
    case user = "user"
    case privileges = "no new privileges"
    case root = "read-only root"
    case tmpfs = "tmpfs options and sizes"
    case kernelFiles = "masked and read-only kernel files"
    case network = "no network"
    case namespaces = "namespaces"
    case cgroup = "cgroup limits"
    case processLimits = "limits of a process"
    case initProcess = "init"
    case hand = "what the agent is handed"
    case devices = "no devices"
    case runner = "runner"

    /// For the operator of the host.
    public var whatToDo: String {
        switch self {
        case .seccomp:
            "`docker info` must list seccomp among its security options: the kernel needs CONFIG_SECCOMP_FILTER, and "
                + "the Engine must not be older than 20.10"
        case .capabilities, .user, .privileges:
            "the runtime did not do what it was asked for: update it, or choose another with --runtime"
        case .root, .tmpfs, .hand: "the runtime did not mount what it was asked for: update it"
        case .kernelFiles: "the runtime did not mask what it was asked for: update it"
        case .network: "another Engine may give an interface despite NetworkDisabled: report the Engine's version"
        case .namespaces: "the Engine must give each container namespaces of its own; see its default-cgroupns-mode"
        case .cgroup:
            "the cgroup controllers memory, pids and cpu must be mounted and given to the Engine: `docker info` "
                + "warns of those that are missing"
        case .processLimits: "see the Engine's default-ulimits, and the runtime's version"
        case .initProcess: "the kernel must be 5.9 or newer, and the container's /proc its own"
        case .devices: "the Engine must give no devices; look for default devices in the runtime's configuration"
        case .runner: "this is a defect of Paddock: report it"
        }
    }
}
