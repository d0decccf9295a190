public import Foundation
import Storage

/// What is counted of one user: money, executions under way, the day's quota, the last hour.
///
/// A value: every change of it is here, and whoever changes it has locked its row.
public struct Account: Sendable, Equatable {
    public let userID: String
    /// What the ledger's entries of this user add up to.
    public internal(set) var balanceCents = 0
    /// Set aside for executions under way.
    public internal(set) var reservedCents = 0
    public internal(set) var monthlyLimitCents: Int?
    /// The month that ``monthCents`` is of.
    private(set) var month = UTCMonth(number: 0)
    /// Charged in that month, refunds taken off.
    private(set) var monthCents = 0
    /// Executions that are admitted and have not ended.
    public internal(set) var active = 0
    /// The day that ``dayUsed`` is of.
    private(set) var day = UTCDay(number: 0)
    private(set) var dayUsed = 0
    private(set) var hour = SlidingWindow(length: 3600)
    /// Executions that were reserved in advance and are left; see ``advanceUntil``.
    private(set) var advanceLeft = 0
    public private(set) var advanceUntil: Date?

    init(userID: String) { self.userID = userID }

    // MARK: What counts at a time

    /// A clock that steps back by less than a day does not give a day's quota twice. Further, it was wrong before.
    func day(at now: Date) -> UTCDay {
        let today = UTCDay(now)
        return day == today.next ? day : today
    }

    /// As ``day(at:)``.
    func month(at now: Date) -> UTCMonth {
        let present = UTCMonth(now)
        return month == present.next ? month : present
    }

    /// Of the day's quota.
    public func quotaUsed(at now: Date) -> Int { day(at: now) == day ? dayUsed : 0 }
    public func quotaResetAt(_ now: Date) -> Date { day(at: now).next.start }
    public func rateUsed(at now: Date) -> Int { hour.used(at: now) }
    public func rateResetAt(limit: Int, at now: Date) -> Date? { hour.resetAt(limit: limit, at: now) }
    public func spentThisMonth(at now: Date) -> Int { month(at: now) == month ? monthCents : 0 }
    public func monthResetAt(_ now: Date) -> Date { month(at: now).next.start }
    public var availableCents: Int { balanceCents - reservedCents }
    /// What counts against ``monthlyLimitCents``: what is spent, and what may yet be.
    func monthUsed(at now: Date) -> Int { spentThisMonth(at: now) + reservedCents }

    /// What is left of the reservation in advance.
    public func advance(at now: Date) -> Int { advanceUntil.map { $0 > now } ?? false ? advanceLeft : 0 }

    // MARK: Changes

    private mutating func turn(to now: Date) {
        (dayUsed, day) = (quotaUsed(at: now), day(at: now))
        (monthCents, month) = (spentThisMonth(at: now), month(at: now))
        // Not when the last place is taken: it may come back.
        if let advanceUntil, advanceUntil <= now { (advanceLeft, self.advanceUntil) = (0, nil) }
    }

    /// What one admission took.
    struct Taken: Equatable {
        let day: UTCDay
        /// Whether it came from the reservation in advance, and not from the day's quota.
        let isAdvance: Bool
    }

    mutating func admit(estimateCents: Int, at now: Date) -> Taken {
        turn(to: now)
        active += 1
        reservedCents += estimateCents
        hour.add(at: now)
        let isAdvance = advanceLeft > 0
        if isAdvance { advanceLeft -= 1 } else { dayUsed += 1 }
        return Taken(day: day, isAdvance: isAdvance)
    }

    /// - Parameter isWaived: it costs nothing, and its place in the quota comes back.
    mutating func settle(_ taken: Taken, estimateCents: Int, chargedCents: Int, isWaived: Bool, at now: Date) {
        turn(to: now)
        active -= 1
        reservedCents -= estimateCents
        balanceCents -= chargedCents
        monthCents += chargedCents
        guard isWaived else { return }
        if taken.isAdvance {
            // One that has lapsed meanwhile is gone.
            if advanceUntil != nil { advanceLeft += 1 }
        } else if taken.day == day, dayUsed > 0 {
            dayUsed -= 1
        }
    }

    mutating func refund(_ cents: Int, at now: Date) {
        turn(to: now)
        balanceCents += cents
        monthCents -= cents
    }

    mutating func reserveInAdvance(_ count: Int, until: Date, at now: Date) {
        turn(to: now)
        dayUsed += count
        (advanceLeft, advanceUntil) = (count, until)
    }
}

extension Account {
    static let columns: SQL =
        """
        account.user_id AS account_user, account.balance_cents, account.reserved_cents, account.monthly_limit_cents,
        account.month, account.month_cents, account.active, account.day, account.day_used, account.hour_window,
        account.advance_left, account.advance_until
        """

    init(_ row: Row) throws {
        self.init(userID: try row["account_user"])
        balanceCents = try row["balance_cents"]
        reservedCents = try row["reserved_cents"]
        monthlyLimitCents = try row["monthly_limit_cents"]
        month = UTCMonth(number: try row["month"])
        monthCents = try row["month_cents"]
        active = try row["active"]
        day = UTCDay(number: try row["day"])
        dayUsed = try row["day_used"]
        hour = SlidingWindow(length: 3600, text: try row["hour_window"])
        advanceLeft = try row["advance_left"]
        advanceUntil = try row["advance_until"]
    }

    /// The account's row, held until the transaction ends.
    static func locked(_ userID: String, in transaction: Transaction) async throws -> Account {
        let rows = try await transaction.query(
            "SELECT \(columns) FROM accounts AS account WHERE user_id = \(userID) \(.forUpdate)")
        guard let row = rows.first else { throw EntitlementError.notFound("user", userID) }
        return try Account(row)
    }

    /// Writes what is counted, with the transaction's next statement. The row is locked.
    func store(in transaction: Transaction) throws {
        try transaction.executeLater(
            """
            UPDATE accounts SET balance_cents = \(balanceCents), reserved_cents = \(reservedCents),
                monthly_limit_cents = \(monthlyLimitCents), month = \(month.number), month_cents = \(monthCents),
                active = \(active), day = \(day.number), day_used = \(dayUsed), hour_window = \(hour.text),
                advance_left = \(advanceLeft), advance_until = \(advanceUntil)
            WHERE user_id = \(userID)
            """)
    }
}
