/// How long an answer is waited for. A task that is cancelled gives it a little longer to come whole, so that the
/// connection can be kept.
struct Patience: Sendable {
    static let afterCancellation: Duration = .milliseconds(250)

    private(set) var deadline: ContinuousClock.Instant
    /// Whether the task's cancellation makes the deadline come sooner; once.
    private(set) var isCancellable: Bool
    private(set) var isCancelled = false

    init(_ longest: Duration, isCancellable: Bool = true) {
        deadline = .now + longest
        self.isCancellable = isCancellable
    }

    init(until deadline: ContinuousClock.Instant) {
        self.deadline = deadline
        isCancellable = true
    }

    mutating func cancel() {
        deadline = min(deadline, .now + Self.afterCancellation)
        isCancellable = false
        isCancelled = true
    }
}
