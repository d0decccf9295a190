import NIOConcurrencyHelpers

/// What may end a statement before its time. The thread that runs it asks; others tell.
final class StatementControl: Sendable {
    private struct State {
        var deadline: ContinuousClock.Instant
        var isCancelled = false
    }

    /// The deadline of all that it controls.
    let end: ContinuousClock.Instant
    private let state: NIOLockedValueBox<State>

    init(until deadline: ContinuousClock.Instant) {
        end = deadline
        state = NIOLockedValueBox(State(deadline: deadline))
    }

    /// Of several statements, one after the other; see ``next(until:)``.
    init(_ count: Int, timeout: Duration) {
        let now = ContinuousClock.now
        end = now + timeout * count
        state = NIOLockedValueBox(State(deadline: now + timeout))
    }

    var isCancelled: Bool { state.withLockedValue { $0.isCancelled } }
    var mustStop: Bool { state.withLockedValue { $0.isCancelled || ContinuousClock.now >= $0.deadline } }

    func cancel() { state.withLockedValue { $0.isCancelled = true } }

    /// The next statement has a deadline of its own.
    func next(until deadline: ContinuousClock.Instant) { state.withLockedValue { $0.deadline = deadline } }
}
