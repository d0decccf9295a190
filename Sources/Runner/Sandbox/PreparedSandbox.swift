import DockerAPI
import Entitlements

/// A sandbox in which nothing runs but our init, and which was found to hold its policy: one execution can be launched
/// in it.
struct PreparedSandbox: Sendable {
    let sandbox: Sandbox
    /// The container's.
    let name: String
    let user: SandboxUser
    let kind: SandboxKind
    let host: RunnerHost
    private(set) var policy: SandboxPolicy
    /// What it writes, from behind the last report on.
    private(set) var frames: LogFrames.AsyncIterator
    /// The Engine's answer, which may come after the report.
    let starting: Task<Void, any Error>
    let care: HostFacts.Care?
    private(set) var evidence: PolicyEvidence
    /// Where the sandbox cannot see its own.
    private(set) var cgroup: HostCgroup?
    /// How many reports its log begins with.
    private(set) var reports = 1
    let preparedAt = ContinuousClock.now

    /// Whether the connection to it stands, as far as is known.
    var isOpen: Bool { sandbox.streams?.isOpen ?? false }

    /// Looks at it again, all of it, after it has waited: somebody may have changed it meanwhile. Sets the limits that can
    /// be set on a sandbox that waits.
    /// - Parameters:
    ///   - limits: of the execution; of the same kind.
    ///   - time: longest wait for it to show that it still holds.
    /// - Throws: why it must not be used.
    func verifiedAgain(for limits: Limits, within time: Duration) async throws -> PreparedSandbox {
        try await withThrowingTaskGroup(of: PreparedSandbox.self) { group in
            group.addTask { try await self.lookedAtAgain(for: limits) }
            group.addTask {
                try await Task.sleep(for: time)
                throw DockerError(
                    .timedOut, "a prepared sandbox did not report within \(time)", operation: "attach")
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw CancellationError() }
            return first
        }
    }

    private func lookedAtAgain(for limits: Limits) async throws -> PreparedSandbox {
        var new = self
        let isOther = !limits.haveSameCgroup(as: policy.limits)
        new.policy.limits = limits
        if isOther {
            var update = ContainerUpdate()
            update.memory = new.policy.memoryBytes
            update.memorySwap = new.policy.memoryBytes
            update.nanoCpus = new.policy.nanoCPUs
            update.pidsLimit = Int64(new.policy.cgroupPids)
            try await sandbox.client.updateContainer(sandbox.containerID, update)
        }
        try await sandbox.askForReport()
        let report = try await SandboxReport.read(from: &new.frames)
        new.reports += 1
        (new.evidence, new.cgroup) = try await SandboxReport.compare(
            report, with: new.policy, of: sandbox.containerID, on: host)
        return new
    }
}
