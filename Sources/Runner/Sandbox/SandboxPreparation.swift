import DockerAPI
import Entitlements

/// Makes a sandbox and finds out whether it holds its policy. No code of an agent's has run in it then.
///
/// Whoever prepares owns the user id and the container of this name from the beginning, also where it fails.
struct SandboxPreparation: Sendable {
    let host: RunnerHost
    let kind: SandboxKind
    let limits: Limits
    let user: SandboxUser
    /// The container's.
    let name: String
    let labels: [String: String]
    var egressFolder: String?
    var isRecorded = false
    /// For as long as the sandbox is there, where nothing else tells whose it is.
    var care: HostFacts.Care?

    /// Longest that the Engine may still be busy with what a runner that died had told it.
    private static let conflictLimit: Duration = .seconds(30)

    /// - Throws: `DockerError`, ``SandboxEnded``, ``PolicyNotHeld``, `StateFolder.Failure`.
    func prepare(_ trace: StageTrace) async throws -> PreparedSandbox {
        let policy = try await makePolicy()
        trace.mark(.settled)
        var (sandbox, frames) = try await create(policy, trace)
        // The report may come before the Engine's answer.
        let starting = Task { [sandbox] in
            try await sandbox.start()
            trace.mark(.started)
        }
        return try await withTaskCancellationHandler {
            let report: InitMessage
            do {
                report = try await SandboxReport.read(from: &frames)
            } catch {
                // A start that failed says why; the streams that end with it do not.
                try await starting.value
                throw SandboxEnded(message: String(describing: error), sandbox: sandbox)
            }
            trace.mark(.reported)
            let (evidence, cgroup) = try await SandboxReport.compare(
                report, with: policy, of: sandbox.containerID, on: host)
            trace.mark(.verified)
            return PreparedSandbox(
                sandbox: sandbox, name: name, user: user, kind: kind, host: host, policy: policy, frames: frames,
                starting: starting, care: care, evidence: evidence, cgroup: cgroup)
        } onCancel: {
            starting.cancel()
        }
    }

    private func makePolicy() async throws -> SandboxPolicy {
        var files = try host.folder.files(uid: user.uid)
        if isRecorded { files.recorder = try host.folder.recorder(uid: user.uid) }
        return SandboxPolicy(
            imageID: kind.imageID, uid: user.uid, limits: limits, runtime: kind.runtime, volumes: kind.volumes,
            files: files, seccompProfile: kind.seccompProfile, labels: labels,
            cgroupParent: try await host.cgroupParent(), egressFolder: egressFolder, keepsLog: kind.logMiB != nil)
    }

    private func create(
        _ policy: SandboxPolicy, _ trace: StageTrace
    ) async throws -> (Sandbox, LogFrames.AsyncIterator) {
        let deadline = ContinuousClock.now + Self.conflictLimit
        let isFenced = labels[RunnerHost.Label.fence] != nil
        while true {
            do {
                return try await Sandbox.create(policy, name: name, client: host.client, trace)
            } catch let error as DockerError where error.isConflict && isFenced && .now < deadline {
                // A runner that died under the same lease has made it, or is being served still: the name is taken then
                // before there is anything to remove. No frame was ever sent there.
                try await host.removeSandbox(named: name)
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }
}

/// A sandbox that ended before it had reported.
struct SandboxEnded: Error {
    let message: String
    let sandbox: Sandbox
}
