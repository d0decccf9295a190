import DockerAPI
import Entitlements
import Glibc
import NIOConcurrencyHelpers

/// What a run asks of its sandbox, and whether it holds.
extension ExecutionRun {
    func startProxy(_ user: SandboxUser) async throws -> EgressProxy? {
        guard let egress = request.egress else { return nil }
        return try await EgressProxy.start(
            egress, socketPath: host.egressSocketPath(uid: user.uid), uid: user.uid, sink: egressSink)
    }

    func makePolicy(_ user: SandboxUser, _ proxy: EgressProxy?) async throws -> SandboxPolicy {
        var files = try host.folder.files(uid: user.uid)
        if request.recorderMarker != nil { files.recorder = try host.folder.recorder(uid: user.uid) }
        return SandboxPolicy(
            imageID: request.image.id, uid: user.uid, limits: request.limits, runtime: request.runtime,
            volumes: request.image.volumes, files: files,
            seccompProfile: try seccompPolicy.engineProfile(),
            labels: host.labels(for: request.id, fence: request.fence), cgroupParent: try await host.cgroupParent(),
            egressSocket: proxy?.socketPath, keepsLog: keeper != nil)
    }

    private var seccompPolicy: SeccompPolicy {
        get throws {
            if request.recorderMarker != nil { return .recording }
            let narrowed = try request.seccomp.map {
                try SeccompPolicy.narrowed(to: $0, withForwarder: request.egress != nil)
            }
            return (narrowed ?? .standard).adapted(to: request.runtime)
        }
    }

    func verdict(on report: InitMessage, _ policy: SandboxPolicy) -> ExecutionLifecycle.Event {
        var verification = Verification(report, against: policy)
        defer { found.withLockedValue { $0.policy = verification.evidence } }
        do {
            try verification.check()
            return .verified
        } catch {
            return .mismatched("this host does not hold the sandbox's policy: \(error). The agent was not started")
        }
    }

    /// Whether the host must be looked at: the sandbox cannot see its own cgroup, or the runtime left a limit out.
    func needsHost(_ report: InitMessage, _ policy: SandboxPolicy) -> Bool {
        switch policy.runtime.kernel {
        case .gvisor: true
        case .host:
            geteuid() == 0
                && report.cgroupFiles(version: 1)[HostCgroup.tcpLimit].map { $0 != "\(policy.tcpMemoryBytes)" } ?? false
        }
    }

    func verdictWithHost(
        on report: InitMessage, _ policy: SandboxPolicy, _ sandbox: Sandbox
    ) async -> ExecutionLifecycle.Event {
        do {
            let cgroup = HostCgroup(pid: try await host.client.inspectContainer(sandbox.containerID).state.pid)
            var report = report
            switch policy.runtime.kernel {
            case .gvisor:
                found.withLockedValue { $0.cgroup = cgroup }
                report.add(cgroup?.limits() ?? [])
            case .host: cgroup?.limitTCP(policy.tcpMemoryBytes)
            }
            return verdict(on: report, policy)
        } catch {
            return failure(error)
        }
    }

    func withHostUsage(_ trailer: Trailer) -> Trailer {
        guard let usage = found.withLockedValue({ $0.cgroup })?.usage() else { return trailer }
        var trailer = trailer
        (trailer.cpu, trailer.memoryPeak) = usage
        return trailer
    }
}
