/// Cancels an execution from outside. Safe to use from any task, before, during and after the run.
public final class ExecutionControl: Sendable {
    let events: AsyncStream<ExecutionLifecycle.Event>
    let feed: AsyncStream<ExecutionLifecycle.Event>.Continuation
    /// Why it is to end, for whoever has not begun to run it.
    let reasons: AsyncStream<String>
    private let told: AsyncStream<String>.Continuation

    public init() {
        (events, feed) = AsyncStream.makeStream()
        (reasons, told) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(1))
    }

    /// SIGTERM, then SIGKILL to every process when `grace` has passed.
    /// - Parameter why: said in the execution's message.
    public func cancel(grace: Duration, why: String) { end(.cancel(grace: grace, why: why), why) }

    /// SIGKILL to every process now.
    public func kill(why: String) { end(.kill(why: why), why) }

    private func end(_ event: ExecutionLifecycle.Event, _ why: String) {
        feed.yield(event)
        told.yield(why)
    }
}
