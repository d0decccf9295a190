import NIOConcurrencyHelpers

/// How many executions wait, as far as one process knows: counting them takes as long as the queue.
///
/// They are counted four times a second, and each time when there may be too many. In between, one's own submissions are
/// added.
final class QueueDepth: Sendable {
    private struct State {
        var depth = 0
        var countedAt: ContinuousClock.Instant?
    }

    private static let patience: Duration = .milliseconds(250)

    private let state = NIOLockedValueBox(State())

    /// Whether what is known does not do to submit one more.
    func mustCount(capacity: Int) -> Bool {
        state.withLockedValue { state in
            guard let countedAt = state.countedAt, state.depth < capacity else { return true }
            return ContinuousClock.now - countedAt >= Self.patience
        }
    }

    func counted(_ depth: Int) {
        state.withLockedValue { $0 = State(depth: depth, countedAt: .now) }
    }

    func submitted() { state.withLockedValue { $0.depth += 1 } }
}
