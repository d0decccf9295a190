import DockerAPI
import Foundation

/// One defence taken away, for the control of a probe: with it off, the probe must get through. Nothing that runs an
/// agent knows of these.
enum Relaxation: Sendable, Hashable {
    case noSeccomp
    case root
    case capabilities([String])
    case newPrivileges
    case writableRoot
    case writableMounts
    /// `bridge` or `host`.
    case network(String)
    /// Sees the processes of the other sandbox.
    case otherSandboxProcesses
    case hostCgroupNamespace
    /// The kernel's files in /proc and /sys, neither masked nor read-only.
    case systemPaths
    case tmpfsOption(String, instead: String)
    case unlimitedTmpfs
    case tcpMemory
    case pids(Int)
    case wholeCPU
    case ulimit(String, Int64)
    /// A folder of the host, writable.
    case bind(String)
    case engineSocket
    case writableCgroup
    case device(String)
    case deviceRule(String)
    case defaultSysctls
    case environment(String)
    /// An ordinary process in place of the init.
    case noInit

    static let exec = tmpfsOption("noexec", instead: "exec")
    static let suid = tmpfsOption("nosuid", instead: "suid")
    static let dev = tmpfsOption("nodev", instead: "dev")
}

extension SandboxPolicy {
    /// The create request with defences taken away, and a program of ours in place of the init.
    ///
    /// For the controls of `paddock doctor` only, which run nothing but its probes.
    func unsafeContainerSpec(
        without relaxations: [Relaxation], command: [String], surroundings: DoctorSurroundings
    ) -> ContainerSpec {
        var spec = containerSpec()
        for relaxation in relaxations { spec.apply(relaxation, surroundings: surroundings) }
        spec.entrypoint = command
        return spec
    }
}

extension ContainerSpec {
    fileprivate mutating func apply(_ relaxation: Relaxation, surroundings: DoctorSurroundings) {
        switch relaxation {
        case .noSeccomp:
            hostConfig.securityOpt = hostConfig.securityOpt?.filter { !$0.hasPrefix("seccomp=") }
            hostConfig.securityOpt?.append("seccomp=unconfined")
        case .root: user = "0:0"
        case .capabilities(let names): hostConfig.capAdd = names
        case .newPrivileges: hostConfig.securityOpt?.removeAll { $0 == "no-new-privileges" }
        case .writableRoot: hostConfig.readonlyRootfs = false
        case .writableMounts:
            for index in (hostConfig.mounts ?? []).indices { hostConfig.mounts?[index].readOnly = false }
        case .network(let mode):
            networkDisabled = false
            hostConfig.networkMode = mode
        case .otherSandboxProcesses: hostConfig.pidMode = "container:\(surroundings.otherContainer)"
        case .hostCgroupNamespace: hostConfig.cgroupnsMode = "host"
        case .systemPaths: (hostConfig.maskedPaths, hostConfig.readonlyPaths) = ([], [])
        case .tmpfsOption(let option, let instead):
            hostConfig.tmpfs = hostConfig.tmpfs?.mapValues { $0.replacing(option, with: instead) }
        case .unlimitedTmpfs:
            hostConfig.tmpfs = hostConfig.tmpfs?.mapValues { options in
                options.split(separator: ",").filter { !$0.hasPrefix("size=") && !$0.hasPrefix("nr_inodes=") }
                    .joined(separator: ",")
            }
        case .tcpMemory: hostConfig.kernelMemoryTCP = nil
        case .pids(let count): hostConfig.pidsLimit = Int64(count)
        case .wholeCPU: hostConfig.nanoCpus = 1_000_000_000
        case .ulimit(let name, let value):
            hostConfig.ulimits = hostConfig.ulimits?.filter { $0.name != name }
            hostConfig.ulimits?.append(.init(name: name, soft: value, hard: value))
        case .bind(let path): bind(path, at: path)
        case .engineSocket: bind(surroundings.engineSocket, at: "/var/run/docker.sock")
        case .writableCgroup:
            let isVersion2 = FileManager.default.fileExists(atPath: "/sys/fs/cgroup/cgroup.controllers")
            let path = isVersion2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory"
            bind(path, at: path)
        case .device(let path): hostConfig.devices = [.init(path: path)]
        case .deviceRule(let rule): hostConfig.deviceCgroupRules = [rule]
        case .defaultSysctls: hostConfig.sysctls = nil
        case .environment(let variable): env = [variable]
        case .noInit: break
        }
    }

    private mutating func bind(_ source: String, at target: String) {
        hostConfig.mounts?.append(.init(type: "bind", source: source, target: target, readOnly: false))
    }
}
