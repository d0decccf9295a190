import NIOConcurrencyHelpers

/// Measures how long an execution spends in each stage, from the steps that it takes.
final class StageClock: Sendable {
    /// The step that ends each stage, in the order in which they come.
    private static let ends: [(step: ExecutionStep, stage: RunnerMetrics.Stage)] = [
        (.started, .prepare), (.verified, .verify), (.frameSent, .launch), (.trailerSeen, .run), (.endingWritten, .end),
        (.removed, .remove),
    ]

    private struct State {
        var last = ContinuousClock.now
        /// How many stages are over.
        var count = 0
    }

    private let state = NIOLockedValueBox(State())

    /// A step that was overtaken counts for nothing: its time is in the one that overtook it.
    func reached(_ step: ExecutionStep) {
        let spent: (Duration, RunnerMetrics.Stage)? = state.withLockedValue { state in
            guard let index = Self.ends.firstIndex(where: { $0.step == step }), index >= state.count else { return nil }
            let now = ContinuousClock.now
            defer { (state.last, state.count) = (now, index + 1) }
            return (state.last.duration(to: now), Self.ends[index].stage)
        }
        if let spent { RunnerMetrics.spent(spent.0, in: spent.1) }
    }
}
