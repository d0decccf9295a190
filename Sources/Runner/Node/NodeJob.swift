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
            request = try await self.request(control)
        } catch let error as DatabaseError where error.mayPass {
            throw error
        } catch {
            // What runs already must not end for what its beginning would need.
            if claim.execution.launch != nil { throw error }
            return try await end(error)
        }
        let log = try await logs.write(lease, of: execution, isNew: claim.execution.launch == nil)
        let hashing = log.position.offset == 0 ? HashingSink(passingTo: log) : nil
        let keeper = NodeKeeper(
            store: store, lease: lease, request: request, log: log, hashing: hashing)
        let runner = ExecutionRunner(host: host, pool: pool)
        if let launch = try claim.launch {
            let finished = await runner.adopt(request, launch, control: control, sink: log, keeper: keeper)
            if let failure = finished.keepingFailure { throw failure }
        } else {
            let finished = await runner.run(request, control: control, sink: hashing ?? log, keeper: keeper)
            if let failure = finished.keepingFailure { throw failure }
        }
    }

    /// Somebody has asked for its end before it was begun.
    private struct Canceled: Error {
        let why: String
    }

    /// What is to be run, with its image at hand. A pull takes its time: it can be canceled, and has a deadline.
    private func request(_ control: ExecutionControl) async throws -> ExecutionRequest {
        try await withThrowingTaskGroup(of: ExecutionRequest?.self) { group in
            group.addTask {
                let box = SecretBox(stateFolder: host.folder.path)
                return try await ticket.request(
                    execution, claim.execution, host: host,
                    secrets: try await box.load(execution, from: store.database))
            }
            group.addTask {
                try await Task.sleep(for: NodeStore.startLimit)
                throw ImageError("\(ticket.image) could not be had within \(NodeStore.startLimit)")
            }
            // What runs already is told to end once it is looked after.
            if claim.execution.launch == nil {
                group.addTask {
                    for await why in control.reasons { throw Canceled(why: why) }
                    return nil
                }
            }
            defer { group.cancelAll() }
            while let first = try await group.next() {
                if let first { return first }
            }
            throw CancellationError()
        }
    }

    /// Ends one that cannot be begun.
    private func end(_ error: any Error) async throws {
        // Not its own failure: it is begun, or gone on with, when the Engine is back.
        if let error = error as? DockerError, error.isEngineAway { throw error }
        let (status, reason, message): (Execution.Status, Execution.Reason, String) =
            switch error {
            case let error as Canceled: (.canceled, .canceled, "\(error.why), before the agent was started")
            case is ImageError: (.failed, .imageError, String(describing: error))
            default: (.failed, .engineError, String(describing: error))
            }
        guard let ended = Execution.ended(claim.execution, status, reason, message) else { throw error }
        try await store.finish(lease, ended)
    }
}

extension ExecutionQueue.Claim {
    /// As an earlier life has written it down; nil where no code of the agent's has run.
    var launch: Launch? {
        get throws { try execution.launch.map { try JSONDecoder().decode(Launch.self, from: Data($0.utf8)) } }
    }
}
