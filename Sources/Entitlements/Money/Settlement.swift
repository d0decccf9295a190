public import Foundation
public import Storage

/// What an execution comes to, once it has ended.
///
/// Idempotent by the execution's id: it does nothing for one that is settled, or that nothing was reserved for.
public struct Settlement: Sendable {
    /// What was settled.
    public struct Outcome: Sendable, Equatable {
        public let executionID: String
        public let userID: String
        public let agentID: String
        public let estimateCents: Int
        public let chargedCents: Int
        /// Whether it costs nothing, and its place in the day's quota came back.
        public let isWaived: Bool
    }

    /// Reasons that are ours: the engine failed, its runner went away, or its pinned image could not be had.
    private static let ours: Set<String> = ["engine_error", "runner_lost", "image_error"]

    private let gate: Gate
    private let now: @Sendable () -> Date

    public init(breaker: Gate.Breaker = Gate.Breaker(), now: @escaping @Sendable () -> Date = { Date() }) {
        gate = Gate(breaker)
        self.now = now
    }

    /// Charges what was used, and gives back the rest of what was reserved.
    ///
    /// What failed by our fault, and what was canceled before it ran, costs nothing. No more is charged than was
    /// reserved: what lies beyond the estimate is ours to bear.
    /// - Parameters:
    ///   - state: the end.
    ///   - reason: by the contract's name.
    ///   - usage: as measured; nil when nothing has run.
    /// - Returns: nil when there was nothing to settle.
    @discardableResult
    public func settle(
        _ executionID: String, state: ExecutionState, reason: String?, usage: StoredUsage?,
        in transaction: Transaction
    ) async throws -> Outcome? {
        let now = now()
        guard var held = try await Held.locked(executionID, in: transaction), held.settledAt == nil else { return nil }
        let isOurs = state == .lost || reason.map(Self.ours.contains) ?? false
        let hasRun = usage.map { $0.wallMilliseconds > 0 } ?? false
        let isWaived = isOurs || (state == .canceled && !hasRun)
        let amount = usage.map(Rates.Amount.init)
        let compute = isWaived ? 0 : amount.map(held.rates.cents) ?? 0
        held.charge(isWaived ? 0 : held.priceCents, compute)
        let isEngineFailure = reason == "engine_error"
        try transaction.executeLater(
            """
            UPDATE reservations SET settled_at = \(now), charged_cents = \(held.chargedCents),
                is_engine_failure = \(isEngineFailure)
            WHERE execution_id = \(executionID)
            """)
        var account = try await Account.locked(held.userID, in: transaction)
        account.settle(
            held.taken, estimateCents: held.estimateCents, chargedCents: held.chargedCents, isWaived: isWaived, at: now)
        try account.store(in: transaction)
        if isWaived, let source = held.grantSource {
            try giveBackUse(held.userID, held.agentID, source, in: transaction)
        }
        if held.chargedCents > 0 {
            try await Ledger(now: { now }).record(
                held.legs(), transfer: "charge:\(executionID)", kind: .charge, executionID: executionID,
                in: transaction)
        }
        try UsageRecords().add(held, usage, amount, at: now, in: transaction)
        if held.isProbe || isEngineFailure {
            try await gate.note(executionID, isEngineFailure: isEngineFailure, hasRun: hasRun, at: now, in: transaction)
        }
        return Outcome(
            executionID: executionID, userID: held.userID, agentID: held.agentID, estimateCents: held.estimateCents,
            chargedCents: held.chargedCents, isWaived: isWaived)
    }

    private func giveBackUse(
        _ userID: String, _ agentID: String, _ source: Grant.Source, in transaction: Transaction
    ) throws {
        try transaction.executeLater(
            """
            UPDATE grants SET uses = uses - 1
            WHERE user_id = \(userID) AND agent_id = \(agentID) AND source = \(source) AND uses > 0
                AND uses_limit IS NOT NULL
            """)
    }

    /// Gives money back for an execution that was charged.
    /// - Parameters:
    ///   - cents: from 1; nil for all that was charged and not refunded.
    ///   - reference: the refund's own id. The same again gives nothing.
    ///   - actor: who gives it back.
    /// - Returns: the cents that were given back: 0 when this refund was made before.
    /// - Throws: ``EntitlementError`` when there is nothing to give back, or less than that.
    public func refund(
        _ executionID: String, cents: Int? = nil, reference: String, by actor: String, in transaction: Transaction
    ) async throws -> Int {
        let now = now()
        guard let held = try await Held.locked(executionID, in: transaction), held.settledAt != nil else {
            throw EntitlementError.notFound("settled execution", executionID)
        }
        let transfer = "refund:\(executionID):\(reference)"
        let made = try await transaction.query("SELECT position FROM ledger WHERE transfer = \(transfer) LIMIT 1")
        guard made.isEmpty else { return 0 }
        let left = held.chargedCents - held.refundedCents
        let amount = cents ?? left
        guard amount >= 1, amount <= left else {
            throw EntitlementError(
                .conflict,
                "\(amount) cents cannot be refunded for \(executionID): of \(held.chargedCents) charged, \(left) are left"
            )
        }
        try transaction.executeLater(
            "UPDATE reservations SET refunded_cents = refunded_cents + \(amount) WHERE execution_id = \(executionID)")
        var account = try await Account.locked(held.userID, in: transaction)
        account.refund(amount, at: now)
        try account.store(in: transaction)
        try await Ledger(now: { now }).record(
            held.refundLegs(amount), transfer: transfer, kind: .refund, executionID: executionID, reference: reference,
            in: transaction)
        try UsageRecords().refund(amount, held.userID, held.agentID, at: now, in: transaction)
        try await Audit.append(by: actor, "execution.refunded", executionID, ["cents": amount], in: transaction)
        return amount
    }
}
