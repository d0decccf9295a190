import DockerAPI
import NIOConcurrencyHelpers

/// A sandbox for a run: one that was prepared ahead, or a new one, on the same path.
extension ExecutionRun {
    func prepare() async throws -> PreparedSandbox {
        let kind = try await SandboxKind(request, host: host, keepsLog: keeper != nil)
        found.withLockedValue { $0.runtime = kind.runtime.name }
        if let pool {
            let start = pool.beginStart()
            found.withLockedValue { $0.start = start }
            if isPoolable, let warm = await takePrepared(kind, of: pool) { return warm }
        }
        return try await prepareNew(kind)
    }

    /// One with a way out has a socket of its own mounted, and one that is recorded a program.
    private var isPoolable: Bool { request.egress == nil && request.recorderMarker == nil }

    private func takePrepared(_ kind: SandboxKind, of pool: SandboxPool) async -> PreparedSandbox? {
        guard let prepared = pool.take(kind, request.limits, agentID: request.agentID) else { return nil }
        trace.mark(.taken)
        do {
            let verified = try await prepared.verifiedAgain(for: request.limits, within: pool.verifyLimit)
            trace.mark(.checked)
            pool.countHit()
            hold(prepared.user, prepared.sandbox.containerID)
            return verified
        } catch {
            pool.refuse(prepared, because: error)
            return nil
        }
    }

    private func prepareNew(_ kind: SandboxKind) async throws -> PreparedSandbox {
        let user = try host.folder.lockUser()
        let preparation = SandboxPreparation(
            host: host, kind: kind, limits: request.limits, user: user, name: containerName,
            labels: host.labels(for: request.id, fence: request.fence),
            egressFolder: try await startProxy(uid: user.uid),
            isRecorded: request.recorderMarker != nil)
        hold(user, containerName)
        do {
            return try await preparation.prepare(trace)
        } catch let error as DockerError where error.isImageGone {
            host.facts.forget(request.image)
            guard try await isImageBack() else { throw error }
            return try await preparation.prepare(trace)
        }
    }

    /// What was known of the image was true once: it may have been removed since, and where it is pinned the same can be
    /// pulled again.
    private func isImageBack() async throws -> Bool {
        guard request.image.reference.contains("@sha256:") else { return false }
        return try await ImageStore(client: host.client).image(request.image.reference) { _ in }.id == request.image.id
    }

    /// - Returns: the folder that the sandbox sees; nil for one that reaches nothing.
    @discardableResult
    func startProxy(uid: UInt32) async throws -> String? {
        guard let egress = request.egress else { return nil }
        let folder = try host.folder.egressFolder(uid: uid)
        let proxy = try await EgressProxy.start(egress, socketPath: folder + "/proxy.sock", uid: uid, sink: egressSink)
        found.withLockedValue { $0.proxy = proxy }
        return folder
    }

    private func hold(_ user: SandboxUser, _ container: String) {
        found.withLockedValue { found in
            found.user = user
            found.container = container
        }
    }
}

extension DockerError {
    /// A container could not be made, for want of its image.
    var isImageGone: Bool { isNotFound && message.contains("No such image") }
}
