/// Where an execution is in its life, by the contract's names.
public enum ExecutionState: String, Sendable, SQLConvertible, CaseIterable {
    /// Can transition to: starting, canceled, lost, timed_out, failed.
    case queued
    /// Claimed: somebody holds its lease. Can transition to: running, stopping, and each end.
    case starting
    /// Can transition to: stopping, and each end.
    case running
    /// Can transition to: each end.
    case stopping
    case succeeded
    case failed
    case canceled
    case timedOut = "timed_out"
    case lost

    public var isEnd: Bool {
        switch self {
        case .queued, .starting, .running, .stopping: false
        case .succeeded, .failed, .canceled, .timedOut, .lost: true
        }
    }
}
