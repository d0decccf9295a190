import Entitlements

/// What is settled when a sandbox is made: executions of one kind can take each other's prepared sandboxes.
///
/// The rest is told in the frame, or can be set on a sandbox that waits: memory, CPUs and processes.
struct SandboxKind: Sendable, Hashable {
    /// `sha256:…`.
    let imageID: String
    let volumes: [String]
    let runtime: SandboxRuntime
    /// As the Engine takes it.
    let seccompProfile: String
    let tmpMiB: Int
    let outputKiB: Int
    let openFiles: Int
    /// Of the Engine's own log; nil where it keeps none.
    let logMiB: Int?

    /// - Parameter keepsLog: whether the Engine keeps the log, for a runner that was away to recover.
    /// - Throws: `SeccompPolicy.Looser`, or what the Engine said.
    init(_ request: ExecutionRequest, host: RunnerHost, keepsLog: Bool) async throws {
        imageID = request.image.id
        volumes = request.image.volumes
        runtime = try await host.named(request.runtime)
        seccompProfile = try host.facts.seccompProfile(for: request)
        tmpMiB = request.limits.tmpMiB
        outputKiB = request.limits.outputKiB
        openFiles = request.limits.openFiles
        logMiB = keepsLog ? request.limits.logMiB : nil
    }
}

extension Limits {
    /// Whether the cgroup of a sandbox that was made for the others holds these.
    func haveSameCgroup(as other: Limits) -> Bool {
        memoryMiB == other.memoryMiB && cpus == other.cpus && pids == other.pids
    }
}
