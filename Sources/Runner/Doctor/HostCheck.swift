import DockerAPI
import Entitlements
import Foundation

/// What the host and its Engine are, as far as the fence depends on it.
public struct HostCheck: Sendable, Encodable {
    public enum Verdict: String, Sendable, Encodable {
        case good
        /// All promises hold, and something would be better otherwise.
        case advice
        /// A promise does not hold.
        case broken
    }

    public let subject: String
    public let found: String
    public let verdict: Verdict
    /// What to do; nil when all is well.
    public let advice: String?

    private init(_ subject: String, _ found: String, _ verdict: Verdict = .good, _ advice: String? = nil) {
        self.subject = subject
        self.found = found
        self.verdict = verdict
        self.advice = advice
    }

    static func all(_ info: EngineInfo, cgroup: SandboxCgroup) -> [HostCheck] {
        [
            engine(info), cgroupVersion(info), seccomp(info), userNamespaces(info), liveRestore(info), runtimes(info),
            togetherCapped(cgroup),
        ]
    }

    private static func engine(_ info: EngineInfo) -> HostCheck {
        let version = info.serverVersion ?? "unknown"
        let parts = version.split { !$0.isNumber }.prefix(3).map { Int($0) ?? 0 }
        guard !parts.lexicographicallyPrecedes([20, 10]) else {
            return HostCheck("Engine", version, .broken, "update it: Paddock knows 20.10 and newer")
        }
        guard !parts.lexicographicallyPrecedes([24, 0, 7]), version.first?.isNumber == true else {
            return HostCheck(
                "Engine", version, .advice,
                "24.0.7 and newer have known escapes and leaks mended: update it when your distribution has one")
        }
        return HostCheck("Engine", version)
    }

    private static func cgroupVersion(_ info: EngineInfo) -> HostCheck {
        let version = info.cgroupVersion ?? "1"
        let found = "version \(version), driver \(info.cgroupDriver ?? "unknown")"
        guard version == "1" else { return HostCheck("cgroup", found) }
        return HostCheck(
            "cgroup", found, .advice,
            "limits hold on version 1; version 2 counts more exactly. Boot with systemd.unified_cgroup_hierarchy=1")
    }

    private static func seccomp(_ info: EngineInfo) -> HostCheck {
        let isOn = info.securityOptions?.contains { $0.contains("name=seccomp") } ?? false
        return isOn
            ? HostCheck("seccomp", "supported")
            : HostCheck("seccomp", "not supported", .broken, Defence.seccomp.whatToDo)
    }

    private static func userNamespaces(_ info: EngineInfo) -> HostCheck {
        let isOn =
            info.securityOptions?.contains { $0.contains("name=userns") || $0.contains("name=rootless") } ?? false
        return isOn
            ? HostCheck("user namespaces", "on")
            : HostCheck(
                "user namespaces", "off", .advice,
                "agents run as a user id of their own either way. With \"userns-remap\" in the Engine's configuration "
                    + "an escaped root would be nobody on the host as well; Paddock is not tested with it")
    }

    private static func liveRestore(_ info: EngineInfo) -> HostCheck {
        info.liveRestoreEnabled == true
            ? HostCheck("live-restore", "on")
            : HostCheck(
                "live-restore", "off", .advice,
                "running executions end when the Engine restarts; set \"live-restore\": true in its configuration")
    }

    private static func runtimes(_ info: EngineInfo) -> HostCheck {
        let runtimes = info.sandboxRuntimes
        let names = runtimes.compactMap(\.name).joined(separator: ", ")
        let found = "\(names); default \(info.defaultRuntime ?? "unknown")"
        guard !runtimes.contains(where: { $0.kernel == .gvisor }) else { return HostCheck("runtimes", found) }
        return HostCheck(
            "runtimes", found, .advice,
            "agents share the host's kernel. gVisor gives them one of their own: install runsc, and add it to "
                + "\"runtimes\" with --network=none, --oci-seccomp and --host-uds=open (docs/runtimes.md)")
    }

    private static func togetherCapped(_ cgroup: SandboxCgroup) -> HostCheck {
        let held = cgroup.held()
        guard let memory = held.memory, let tasks = held.tasks else {
            return HostCheck(
                "all sandboxes together", "no cap", .advice,
                "run `paddock` once as root, or limit \(SandboxCgroup.name) with systemd: MemoryMax= and TasksMax=")
        }
        return HostCheck("all sandboxes together", "\(memory >> 20) MiB, \(tasks) tasks")
    }
}

extension Doctor {
    /// Looks at the host and its Engine, without running anything.
    public func checkHost() async throws -> [HostCheck] {
        HostCheck.all(try await host.client.info(), cgroup: SandboxCgroup())
    }

    /// Every runtime that the Engine has, under the names that an operator gave them.
    public func runtimes() async throws -> [SandboxRuntime] {
        try await host.client.info().sandboxRuntimes
    }
}
