public import DockerAPI

/// Runs executions, each on the one path: prepare, verify, launch, end, account, remove.
public struct ExecutionRunner: Sendable {
    private let host: RunnerHost
    private let pool: SandboxPool?

    /// - Parameter pool: of sandboxes that are prepared ahead; without one, each execution waits for its own.
    public init(host: RunnerHost, pool: SandboxPool? = nil) {
        self.host = host
        self.pool = pool
    }

    /// Runs one execution to its end, whatever that is, and removes its sandbox.
    ///
    /// Failures of the Engine are endings too; nothing is thrown. Cancelling the task kills the agent.
    /// - Parameters:
    ///   - control: cancels it from outside.
    ///   - sink: where its log goes.
    ///   - egressSink: told of each of its connections.
    ///   - keeper: writes it down on its way; nil for one that ends with this process.
    public func run(
        _ request: ExecutionRequest, control: ExecutionControl, sink: any LogSink,
        egressSink: (any EgressSink)? = nil, keeper: (any ExecutionKeeper)? = nil
    ) async -> FinishedExecution {
        let run = ExecutionRun(
            request: request, host: host, sink: sink, egressSink: egressSink, keeper: keeper, pool: pool)
        let finished = await uncancelled(control) { await run.toEnd(control) }
        RunnerMetrics.spent(run.trace)
        return finished
    }

    /// Goes on with an execution whose runner has died: its agent runs, or has ended meanwhile.
    /// - Parameters:
    ///   - launch: as the runner before had it written down.
    ///   - sink: told when it ends; the log goes where the keeper says.
    public func adopt(
        _ request: ExecutionRequest, _ launch: Launch, control: ExecutionControl, sink: any LogSink,
        keeper: any ExecutionKeeper
    ) async -> FinishedExecution {
        let run = ExecutionRun(
            request: request, host: host, sink: sink, egressSink: nil, keeper: keeper, nonce: launch.nonce)
        return await uncancelled(control) { await run.toEnd(adopting: launch, control) }
    }

    private func uncancelled(
        _ control: ExecutionControl, _ body: @escaping @Sendable () async -> FinishedExecution
    ) async -> FinishedExecution {
        await withTaskCancellationHandler {
            // A task of its own: a cancelled one could not end and remove what it has begun.
            await Task { await body() }.value
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
    /// When it had come how far.
    public let trace: StageTrace
    /// Why the container could not be removed; the next runner tries again.
    public internal(set) var removalFailure: DockerError?
}
