import Entitlements
import Foundation
import Hummingbird
import Logging
import Runner
import Storage

extension Problem {
    /// The problem that an error of a lower layer is for who called. What nobody can act on is an error of ours.
    init(describing error: any Error) {
        switch error {
        case let problem as Problem: self = problem
        case let denial as Denial: self = .from(denial)
        case let refusal as Refusal: self = .from(refusal)
        case let error as EntitlementError: self = .from(error)
        case let error as DatabaseError: self = .from(error)
        case let error as QueueError where error.code == .queueFull:
            self = .unavailable("queue_full", error.message, retryAfter: 5)
        case let error as Limits.Invalid: self = .invalid("/limits/\(error.name)", error.message)
        case is CancellationError:
            self = .unavailable("stopping", "the server stops: ask again, here or elsewhere")
        default: self = .internalError
        }
    }

    /// The same, with what is of interest to who runs the server in the log.
    init(logging error: any Error, _ context: APIContext) {
        self.init(describing: error)
        if error is Problem || error is CancellationError { return }
        let metadata: Logger.Metadata = ["request.id": "\(context.requestID)", "error": "\(error)"]
        if status == 500 {
            context.logger.error("a request met an error of ours", metadata: metadata)
        } else if status == 503 {
            context.logger.warning("a request could not be served", metadata: metadata)
        }
    }

    static func seconds(until date: Date) -> Int { max(0, Int(date.timeIntervalSinceNow.rounded(.up))) }

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

    private static func from(_ error: EntitlementError) -> Problem {
        switch error.code {
        case .notFound:
            Problem(status: 404, code: "not_found", title: "Not found", detail: error.message)
        case .conflict: .conflict(error.message)
        case .validationFailed:
            .invalid(error.fields.map { Detail(path: pointer($0.path), message: $0.message) })
        }
    }

    /// A field's name with dots as a JSON pointer.
    private static func pointer(_ path: String) -> String { "/" + path.replacing(".", with: "/") }

    private static func from(_ refusal: Refusal) -> Problem {
        let (status, title) =
            switch refusal.code {
            case .validationFailed: (422, "Something in the request is not possible")
            case .inputInvalid: (422, "Invalid input")
            case .unenforceableLimit: (422, "A limit that cannot be enforced")
            case .idempotencyMismatch: (422, "Another request had this key")
            case .forbidden: (403, "Forbidden")
            case .notFound: (404, "Not found")
            case .conflict: (409, "Conflict")
            case .idempotencyInFlight: (409, "Still being answered")
            case .engineUnavailable: (503, "Not available now")
            }
        var problem = Problem(status: status, code: refusal.code.rawValue, title: title, detail: refusal.message)
        problem.errors = refusal.faults.map { Detail(path: $0.path, message: $0.message) }
        if status == 503 { problem.headers[.retryAfter] = "5" }
        return problem
    }
}

// MARK: Denials

extension Problem {
    private static func from(_ denial: Denial) -> Problem {
        let (status, title) = meaning(of: denial.code)
        var problem = Problem(status: status, code: denial.code.rawValue, title: title, detail: denial.message)
        problem.rule = denial.rule?.name
        problem.limit = denial.limit
        problem.used = denial.used
        problem.remaining = denial.remaining
        problem.required = denial.required
        problem.resetAt = denial.resetAt
        if let field = denial.field { problem.errors = [Detail(path: pointer(field), message: denial.message)] }
        let wait = denial.resetAt.map { seconds(until: $0) }
        switch status {
        case 429:
            problem.headers[.retryAfter] = String(wait ?? 1)
            guard let limit = denial.limit else { break }
            let name = denial.rule?.name ?? "executions"
            problem.headers[.rateLimit] = #""\#(name)";r=0;t=\#(wait ?? 1)"#
            problem.headers[.rateLimitPolicy] = #""\#(name)";q=\#(limit)\#(window(of: denial.code))"#
        case 503: problem.headers[.retryAfter] = String(wait ?? 5)
        default: break
        }
        return problem
    }

    private static func window(of code: Denial.Code) -> String {
        switch code {
        case .rateLimited: ";w=3600"
        case .quotaExceeded: ";w=86400"
        default: ""
        }
    }

    private static func meaning(of code: Denial.Code) -> (status: Int, title: String) {
        switch code {
        case .paused: (503, "Paused")
        case .engineUnavailable: (503, "Engines fail")
        case .queueFull: (503, "The queue is full")
        case .databaseUnavailable: (503, "Not available now")
        case .suspended: (403, "Suspended")
        case .notEntitled: (403, "Not entitled")
        case .tierTooLow: (403, "The tier is too low")
        case .notFound: (404, "Not found")
        case .conflict: (409, "Conflict")
        case .validationFailed: (422, "Something in the request is not possible")
        case .limitAboveMaximum: (422, "A limit is above its maximum")
        case .concurrencyLimited: (429, "Too many at once")
        case .rateLimited: (429, "Too many in an hour")
        case .quotaExceeded: (429, "The day's quota is used")
        case .insufficientBalance: (402, "The balance is too low")
        case .monthlyLimitExceeded: (402, "The month's limit is reached")
        }
    }
}
