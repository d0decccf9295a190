import DockerAPI
import Entitlements
import Foundation
import NIOConcurrencyHelpers
import Storage

/// The account of a run, and the removal of its sandbox.
extension ExecutionRun {
    /// Where there is a keeper the account comes first, and the sandbox is removed when it is written.
    func accountAndRemove(_ ending: Ending, createdAt: Date, finishedAt: Date) async -> FinishedExecution {
        found.withLockedValue { $0.start = nil }
        let (proxy, user) = found.withLockedValue { ($0.proxy, $0.user) }
        let egress = await proxy?.close()
        if proxy != nil, let user { host.folder.removeEgressFolder(uid: user.uid) }
        let isAcknowledged = ending.trailer != nil
        guard let keeper else {
            let removal = await remove(acknowledged: isAcknowledged)
            var finished = await finished(ending, createdAt: createdAt, finishedAt: finishedAt, egress: egress)
            finished.removalFailure = removal
            return finished
        }
        var finished = await finished(ending, createdAt: createdAt, finishedAt: finishedAt, egress: egress)
        do {
            try await keeper.hasEnded(finished)
            trace.mark(.accounted)
        } catch let error as QueueError where error.code == .leaseLost {
            // Somebody has ended it in our place, and nobody comes back to it.
        } catch {
            // Whoever takes over finds it as it is.
            if let user { host.keep(user) }
            finished.keepingFailure = error
            return finished
        }
        finished.removalFailure = await remove(acknowledged: isAcknowledged)
        return finished
    }

    /// Gives the user id back with the sandbox: the container of a removal that failed may still run under it.
    private func remove(acknowledged: Bool) async -> DockerError? {
        let (container, user) = found.withLockedValue { ($0.container, $0.user) }
        guard let container else { return nil }
        let failure = await remove(container, acknowledged: acknowledged)
        if failure != nil, let user { host.keep(user) }
        found.withLockedValue { found in
            found.user = nil
            found.prepared = nil
        }
        return failure
    }

    /// Longest wait for a sandbox that has been acknowledged to exit by itself.
    private static let exitLimit: Duration = .seconds(5)

    private func remove(_ container: String, acknowledged: Bool) async -> DockerError? {
        let client = host.client
        let trace = trace
        // Apart from the caller's task, so that cancelling it leaves nothing behind.
        return await Task {
            // Waiting for the exit and removing then is faster than removing by force.
            if acknowledged {
                await Self.waitForExit(container, client)
            }
            trace.mark(.exited)
            var failure = acknowledged ? await Self.remove(container, force: false, client) : nil
            if !acknowledged || failure != nil { failure = await Self.remove(container, force: true, client) }
            if failure == nil { trace.mark(.removed) }
            return failure
        }.value
    }

    static func waitForExit(_ name: String, _ client: DockerClient) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { _ = try? await client.waitContainer(name, until: .notRunning).value() }
            group.addTask { try? await Task.sleep(for: exitLimit) }
            await group.next()
            group.cancelAll()
        }
    }

    private static func remove(_ name: String, force: Bool, _ client: DockerClient) async -> DockerError? {
        do {
            try await client.removeContainer(name, force: force)
            return nil
        } catch let error as DockerError {
            // Gone, or being removed by somebody else.
            return error.isNotFound || error.isBeingRemoved ? nil : error
        } catch {
            return nil
        }
    }

    private func recovered(_ egress: EgressReport?) -> String {
        let log =
            "the connection to it was lost, and the rest of its log read from the Engine's own: "
            + "the newline of a line longer than 16 KiB may be missing"
        guard request.egress != nil, found.withLockedValue({ $0.isAdopted }) else { return log }
        guard egress != nil else { return log + "; its way out could not be opened again" }
        return log + "; its connections before that are not told, and their bytes not counted"
    }

    func finished(
        _ ending: Ending, createdAt: Date, finishedAt: Date, egress: EgressReport?
    ) async -> FinishedExecution {
        let found = self.found.withLockedValue { $0 }
        var execution = Execution(
            id: request.id, agentID: request.agentID, userID: request.userID, image: request.image.id,
            status: ending.status, createdAt: createdAt, limits: request.limits)
        execution.reason = ending.reason
        execution.exitCode = ending.exitCode
        execution.signal = ending.signal
        execution.message = ending.message
        execution.startedAt = found.startedAt
        execution.finishedAt = finishedAt
        execution.runtime = found.runtime ?? request.runtime.name
        execution.notes = ending.notes
        execution.labels = request.labels
        if let policy = request.egress {
            execution.network = .init(
                mode: "allowlist", allow: policy.rules.map(\.description), connections: egress?.records ?? [],
                droppedConnections: egress?.droppedRecords ?? 0, connectionCounts: egress?.counts ?? .init())
        }
        execution.usage.logBytes = found.log.total
        execution.usage.egressBytes = egress?.bytes ?? 0
        if let trailer = ending.trailer {
            execution.usage.wallMs = Int(trailer.wall / .milliseconds(1))
            execution.usage.cpuMs = Int(trailer.cpu / .milliseconds(1))
            execution.usage.maxMemoryBytes = trailer.memoryPeak
            if case .bytes(let bytes) = trailer.output {
                await execution.judge(output: bytes, schema: request.outputSchema)
            }
        } else if let startedAt = found.startedAt {
            execution.usage.wallMs = Int(Date().timeIntervalSince(startedAt) * 1000)
        }
        if found.isRecovered {
            execution.notes.append(.init(code: .logRecovered, message: recovered(egress)))
        }
        if found.log.droppedBytes > 0 {
            execution.notes.append(
                .init(
                    code: .logTruncated,
                    message: "\(found.log.droppedBytes) bytes left out past \(request.limits.logMiB) MiB"))
        }
        return FinishedExecution(
            execution: execution, droppedLogBytes: found.log.droppedBytes, policy: found.policy, egress: egress,
            trace: trace, removalFailure: nil)
    }
}
