public import DockerAPI

/// Runs executions, each on the one path: prepare, verify, launch, end, account, remove.
public struct ExecutionRunner: Sendable {
    private let host: RunnerHost

    public init(host: RunnerHost) { self.host = host }

    /// Runs one execution to its end, whatever that is, and removes its sandbox.
    ///
    /// Failures of the Engine are endings too; nothing is thrown. Cancelling the task kills the agent.
    /// - Parameters:
    ///   - control: cancels it from outside.
    ///   - sink: where its log goes.
    ///   - egressSink: told of each of its connections.
    public func run(
        _ request: ExecutionRequest, control: ExecutionControl, sink: any LogSink,
        egressSink: (any EgressSink)? = nil
    ) async -> FinishedExecution {
        let run = ExecutionRun(request: request, host: host, sink: sink, egressSink: egressSink)
        return await withTaskCancellationHandler {
            // A task of its own: a cancelled one could not end and remove what it has begun.
            await Task { await run.toEnd(control) }.value
        } onCancel: {
            control.kill(why: "canceled")
        }
    }
}

/// An execution that has ended, and whether its sandbox is gone.
public struct FinishedExecution: Sendable {
    public let execution: Execution
    /// Bytes of the log past its limit.
    public let droppedLogBytes: Int64
    /// nil for an execution that ended before its sandbox was looked at.
    public let policy: PolicyEvidence?
    /// nil for an execution that could reach nothing.
    public let egress: EgressReport?
    /// Why the container could not be removed; the next runner tries again.
    public let removalFailure: DockerError?
}
