public import Foundation

/// Why an execution is not admitted, and what would help.
public struct Denial: Error, Sendable, Equatable, Codable, CustomStringConvertible {
    /// The contract's name; CONTRACT §5.
    public enum Code: String, Sendable, Codable {
        case paused
        case engineUnavailable = "engine_unavailable"
        case suspended
        case notFound = "not_found"
        case conflict
        case notEntitled = "not_entitled"
        case validationFailed = "validation_failed"
        case limitAboveMaximum = "limit_above_maximum"
        case tierTooLow = "tier_too_low"
        case concurrencyLimited = "concurrency_limited"
        case rateLimited = "rate_limited"
        case quotaExceeded = "quota_exceeded"
        case insufficientBalance = "insufficient_balance"
        case monthlyLimitExceeded = "monthly_limit_exceeded"
        case queueFull = "queue_full"
        /// Nobody can decide: a denial too.
        case databaseUnavailable = "database_unavailable"
    }

    public let code: Code
    /// nil where no rule was reached.
    public var rule: Rule?
    /// What was wrong and what would help.
    public let message: String
    /// The field that is wrong, as `limits.memoryMiB`.
    public var field: String?
    public var limit: Int?
    public var used: Int?
    /// When it would pass, if nothing else happens.
    public var resetAt: Date?
    /// Cents that are left.
    public var remaining: Int?
    /// Cents that are needed.
    public var required: Int?

    init(
        _ code: Code, _ message: String, field: String? = nil, limit: Int? = nil, used: Int? = nil,
        resetAt: Date? = nil, remaining: Int? = nil, required: Int? = nil
    ) {
        self.code = code
        self.message = message
        self.field = field
        self.limit = limit
        self.used = used
        self.resetAt = resetAt
        self.remaining = remaining
        self.required = required
    }

    public var description: String { "\(code.rawValue): \(message)" }
}
