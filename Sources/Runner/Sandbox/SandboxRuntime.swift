import DockerAPI
public import Entitlements

/// The OCI runtime that an execution was given, and what follows from the kernel that it has.
public struct SandboxRuntime: Sendable, Hashable {
    /// Whose kernel answers the agent's system calls.
    enum Kernel: Sendable {
        /// The host's: runc, crun.
        case host
        /// gVisor's, a program of its own between the agent and the host: runsc.
        case gvisor
    }

    /// As the Engine knows it; nil for its default.
    public let name: String?
    let kernel: Kernel
    /// Whether a sandbox can connect to a unix socket of the host's that is mounted into it.
    private(set) var opensHostSockets = true

    /// Whatever the Engine has as its default. It must share the host's kernel: verification refuses any other.
    public static let engineDefault = SandboxRuntime(name: nil, kernel: .host)

    init(name: String?, kernel: Kernel) {
        self.name = name
        self.kernel = kernel
    }

    /// - Parameters:
    ///   - path: of the program, as the Engine's configuration has it; a runtime is known by it.
    ///   - arguments: that the Engine gives it.
    init(name: String, path: String?, arguments: [String] = []) {
        let program = (path ?? name).split(separator: "/").last ?? ""
        self.init(name: name, kernel: program.hasPrefix("runsc") || name.hasPrefix("runsc") ? .gvisor : .host)
        let values = ["open", "all"].flatMap { ["--host-uds=\($0)", "-host-uds=\($0)"] }
        opensHostSockets = kernel == .host || arguments.contains { values.contains($0) }
    }

    /// The same one, by the name that the Engine has for it.
    func named(_ name: String?) -> SandboxRuntime {
        var runtime = SandboxRuntime(name: name, kernel: kernel)
        runtime.opensHostSockets = opensHostSockets
        return runtime
    }

    /// How many tasks of the host it takes to run this many of the agent's.
    ///
    /// gVisor's own threads count in the cgroup: measured (2022-12, ptrace), about 45 of them and 9 a process. At the
    /// limit gVisor ends as a whole.
    func hostTasks(for pids: Int) -> Int {
        switch kernel {
        case .host: pids
        case .gvisor: 128 + pids * 12
        }
    }

    /// What a sandbox takes of the host's memory while it waits, in MiB: its init, its shim, and what the kernel keeps.
    /// Measured, and rounded up: see docs/pool.md.
    var waitingMiB: Int {
        switch kernel {
        case .host: 6
        case .gvisor: 24
        }
    }

    /// - Throws: ``Limits/Invalid`` for an allow-list that this runtime has no way out for.
    public func check(_ egress: EgressPolicy?) throws {
        guard egress != nil, !opensHostSockets else { return }
        throw Limits.Invalid(
            name: "network",
            message: "unenforceable_limit: the runtime \(name ?? "gVisor") opens no unix socket of the host's, and the "
                + "way out is one. Add \"--host-uds=open\" to its runtimeArgs, or choose a runtime such as runc")
    }

    /// - Throws: ``Limits/Invalid`` for a limit that this runtime cannot hold.
    public func check(_ limits: Limits) throws {
        guard kernel == .gvisor, limits.cpuSeconds != nil else { return }
        throw Limits.Invalid(
            name: "cpuSeconds",
            message: "unenforceable_limit: the runtime \(name ?? "gVisor") does not show the sandbox's CPU time to "
                + "its init. Leave it out, or choose a runtime such as runc")
    }
}

/// A runtime that the Engine does not have.
public struct UnknownRuntime: Error, Sendable, CustomStringConvertible {
    let name: String
    let known: [String]

    public var description: String {
        "the Engine has no runtime '\(name)'; it has: \(known.sorted().joined(separator: ", ")). "
            + "Others are added in its configuration, under \"runtimes\""
    }
}

extension EngineInfo {
    /// Those that an operator configured, by name: without the Engine's own names for what it has anyway.
    var sandboxRuntimes: [SandboxRuntime] {
        let known = (runtimes ?? [:]).filter { !$0.key.hasPrefix("io.containerd") }
        return known.sorted { $0.key < $1.key }.map {
            SandboxRuntime(name: $0.key, path: $0.value.path, arguments: $0.value.runtimeArgs ?? [])
        }
    }
}
