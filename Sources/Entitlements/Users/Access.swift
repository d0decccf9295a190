public import Foundation

/// What a user may do now: `GET /users/me/access`. Counted by the same code that decides.
public struct Access: Sendable, Equatable, Codable {
    /// Something of which there is a number.
    public struct Allowance: Sendable, Equatable, Codable {
        public let limit: Int
        public let used: Int
        public let remaining: Int
        /// When there is more. Of concurrent executions, of a rate where nothing is used, and of one of 0, there is no
        /// such time.
        public let resetAt: Date?

        init(limit: Int, used: Int, resetAt: Date?) {
            self.limit = limit
            self.used = used
            remaining = max(0, limit - used)
            self.resetAt = resetAt
        }

        /// Whether nothing is left.
        var isUsed: Bool { remaining == 0 }
    }

    /// Executions that were reserved in advance.
    public struct Advance: Sendable, Equatable, Codable {
        public let remaining: Int
        public let until: Date
    }

    public let userId: String
    public let tier: Int
    public let suspended: Bool
    /// Executions of the day, from midnight UTC.
    public let quota: Allowance
    /// nil when none is reserved.
    public let advance: Advance?
    /// Executions of the last 60 minutes.
    public let rate: Allowance
    public let concurrent: Allowance
    public let balanceCents: Int
    /// Set aside for executions under way.
    public let reservedCents: Int
    /// What can be spent now.
    public let availableCents: Int
    /// nil for no limit.
    public let monthlyLimitCents: Int?
    /// Charged this month, refunds taken off.
    public let monthSpentCents: Int
    /// What counts against ``monthlyLimitCents``: spent, and set aside for executions under way.
    public let monthUsedCents: Int
    public let monthResetAt: Date
    /// nil for the tier's.
    public let executionsPerHour: Int?
    /// nil for the tier's.
    public let executionsPerDay: Int?
    /// nil for the tier's.
    public let maxConcurrent: Int?

    init(_ user: User, _ tier: Tier, _ account: Account, at now: Date) {
        userId = user.id
        self.tier = tier.number
        suspended = user.isSuspended
        let allowed = Allowed(user, tier)
        quota = account.quota(limit: allowed.perDay, at: now)
        advance = account.advanceUntil.flatMap { until in
            account.advance(at: now) > 0 ? Advance(remaining: account.advance(at: now), until: until) : nil
        }
        rate = account.rate(limit: allowed.perHour, at: now)
        concurrent = account.concurrency(limit: allowed.concurrent)
        balanceCents = account.balanceCents
        reservedCents = account.reservedCents
        availableCents = account.availableCents
        monthlyLimitCents = account.monthlyLimitCents
        monthSpentCents = account.spentThisMonth(at: now)
        monthUsedCents = account.monthUsed(at: now)
        monthResetAt = account.monthResetAt(now)
        executionsPerHour = user.executionsPerHour
        executionsPerDay = user.executionsPerDay
        maxConcurrent = user.maxConcurrent
    }
}

/// What the rules decide by, and what users are told.
extension Account {
    func quota(limit: Int, at now: Date) -> Access.Allowance {
        .init(limit: limit, used: quotaUsed(at: now), resetAt: quotaResetAt(now))
    }

    func rate(limit: Int, at now: Date) -> Access.Allowance {
        let used = rateUsed(at: now)
        // While there is room, it is when the oldest no longer counts.
        return .init(limit: limit, used: used, resetAt: rateResetAt(limit: min(limit, max(1, used)), at: now))
    }

    func concurrency(limit: Int) -> Access.Allowance { .init(limit: limit, used: active, resetAt: nil) }
}

/// A user's own limits, and the tier's where there is none.
struct Allowed: Sendable {
    let perHour: Int
    let perDay: Int
    let concurrent: Int

    init(_ user: User, _ tier: Tier) {
        perHour = user.executionsPerHour ?? tier.executionsPerHour
        perDay = user.executionsPerDay ?? tier.executionsPerDay
        concurrent = user.maxConcurrent ?? tier.maxConcurrent
    }
}
