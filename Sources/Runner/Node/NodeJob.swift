import DockerAPI
import Entitlements
import Foundation
import Storage

/// One execution that this node has claimed: runs it, or goes on with it.
struct NodeJob: Sendable {
    let execution: ExecutionID
    let claim: ExecutionQueue.Claim
    let ticket: ExecutionTicket
    let host: RunnerHost
    let pool: SandboxPool?
    let store: NodeStore

    private var lease: ExecutionQueue.Lease { claim.lease }

    /// - Throws: when its ending could not be written: whoever takes over finds it as it is.
    func run(_ logs: LogHub, _ control: ExecutionControl) async throws {
        store.watch?(.claimed, lease.executionID)
        let request: ExecutionRequest
        do {
            request = try await ticket.request(
                execution, claim.execution, host: host,
                secrets: try await SecretBox(stateFolder: host.folder.path).load(execution, from: store.database))
        } catch let error as DatabaseError where error.mayPass {
            throw error
        } catch {
            // What runs already must not end for what its beginning would need.
            if claim.execution.launch != nil { throw error }
            return try await fail(error)
        }
        let log = try await logs.write(lease, of: execution, isNew: claim.execution.launch == nil)
        let hashing = log.position.offset == 0 ? HashingSink(passingTo: log) : nil
        let keeper = NodeKeeper(
            store: store, lease: lease, request: request, log: log, hashing: hashing,
            keys: KeyFolder(stateFolder: host.folder.path), repository: logs.repository)
        let runner = ExecutionRunner(host: host, pool: pool)
        if let launch = try claim.launch {
            let finished = await runner.adopt(request, launch, control: control, sink: log, keeper: keeper)
            if let failure = finished.keepingFailure { throw failure }
        } else {
            let finished = await runner.run(request, control: control, sink: hashing ?? log, keeper: keeper)
            if let failure = finished.keepingFailure { throw failure }
        }
    }

    /// Ends one that cannot be begun.
    private func fail(_ error: any Error) async throws {
        // Not its own failure: it is begun, or gone on with, when the Engine is back.
        if let error = error as? DockerError, error.isEngineAway { throw error }
        let reason: Execution.Reason = error is ImageError ? .imageError : .engineError
        guard let ended = Execution.ended(claim.execution, .failed, reason, String(describing: error)) else {
            throw error
        }
        try await store.finish(lease, ended)
    }
}

extension ExecutionQueue.Claim {
    /// As an earlier life has written it down; nil where no code of the agent's has run.
    var launch: Launch? {
        get throws { try execution.launch.map { try JSONDecoder().decode(Launch.self, from: Data($0.utf8)) } }
    }
}
