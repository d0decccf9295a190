import NIOConcurrencyHelpers

/// What may end a statement before its time. The thread that runs it asks; others tell.
final class StatementControl: Sendable {
    let deadline: ContinuousClock.Instant
    private let cancelled = NIOLockedValueBox(false)

    init(until deadline: ContinuousClock.Instant) { self.deadline = deadline }

    var isCancelled: Bool { cancelled.withLockedValue { $0 } }
    var isLate: Bool { ContinuousClock.now >= deadline }
    var mustStop: Bool { isCancelled || isLate }

    func cancel() { cancelled.withLockedValue { $0 = true } }
}
