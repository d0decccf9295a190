/// Cancels an execution from outside. Safe to use from any task, before, during and after the run.
public final class ExecutionControl: Sendable {
    let events: AsyncStream<ExecutionLifecycle.Event>
    let feed: AsyncStream<ExecutionLifecycle.Event>.Continuation

    public init() { (events, feed) = AsyncStream.makeStream() }

    /// SIGTERM, then SIGKILL to every process when `grace` has passed.
    /// - Parameter why: said in the execution's message.
    public func cancel(grace: Duration, why: String) { feed.yield(.cancel(grace: grace, why: why)) }

    /// SIGKILL to every process now.
    public func kill(why: String) { feed.yield(.kill(why: why)) }
}
