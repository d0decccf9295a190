import Entitlements
import Hummingbird
import Runner
import Storage

extension Problem {
    /// The problem that an error of a lower layer is for who called. What nobody can act on is an error of ours.
    init(describing error: any Error) {
        switch error {
        case let problem as Problem: self = problem
        case let error as DatabaseError: self = .from(error)
        case let error as QueueError where error.code == .queueFull:
            self = .unavailable("queue_full", error.message, retryAfter: 5)
        case let error as Limits.Invalid: self = .invalid("/limits/\(error.name)", error.message)
        case is CancellationError:
            self = .unavailable("stopping", "the server stops: ask again, here or elsewhere")
        default: self = .internalError
        }
    }

    private static func from(_ error: DatabaseError) -> Problem {
        switch error.code {
        case .databaseUnavailable, .databaseBusy, .transactionConflict, .statementTimeout:
            .unavailable("database_unavailable", "the database does not answer now: nothing was changed")
        case .commitUnknown:
            .unavailable(
                "database_unavailable",
                "the database went away before it said whether this was written: look, or ask again with the same "
                    + "Idempotency-Key")
        default: .internalError
        }
    }
}
