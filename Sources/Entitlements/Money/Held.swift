import Foundation
import Storage

/// A reservation's row: what was set aside, and what it came to.
struct Held: Sendable {
    let executionID: String
    let userID: String
    let agentID: String
    let taken: Account.Taken
    let grantSource: Grant.Source?
    let priceCents: Int
    let rates: Rates
    let estimateCents: Int
    let settledAt: Date?
    private(set) var chargedCents: Int
    let refundedCents: Int
    /// Whether the circuit breaker waits for its end.
    let isProbe: Bool
    /// Of what is charged, what is the agent's.
    private(set) var chargedPrice = 0

    /// Held until the transaction ends.
    static func locked(_ executionID: String, in transaction: Transaction) async throws -> Held? {
        try await transaction.query(
            """
            SELECT execution_id, user_id, agent_id, day, is_advance, grant_source, price_cents, cpu_second_rate,
                gib_second_rate, egress_gib_rate, estimate_cents, settled_at, charged_cents, refunded_cents,
                (SELECT breaker_probe FROM settings WHERE id = 1) AS breaker_probe
            FROM reservations WHERE execution_id = \(executionID) \(.forUpdate)
            """
        ).first.map(Held.init)
    }

    init(_ row: Row) throws {
        executionID = try row["execution_id"]
        userID = try row["user_id"]
        agentID = try row["agent_id"]
        taken = Account.Taken(day: UTCDay(number: try row["day"]), isAdvance: try row["is_advance"])
        grantSource = try row["grant_source"]
        priceCents = try row["price_cents"]
        rates = try Rates(row)
        estimateCents = try row["estimate_cents"]
        settledAt = try row["settled_at"]
        chargedCents = try row["charged_cents"] ?? 0
        refundedCents = try row["refunded_cents"]
        let probe: String? = try row["breaker_probe"]
        isProbe = probe == executionID
    }

    mutating func charge(_ price: Int, _ compute: Int) {
        chargedPrice = min(price, estimateCents)
        chargedCents = min(chargedPrice + compute, estimateCents)
    }

    func legs() -> [Ledger.Leg] {
        [
            .init(account: Ledger.user(userID), cents: -chargedCents),
            .init(account: Ledger.agent(agentID), cents: chargedPrice),
            .init(account: Ledger.compute, cents: chargedCents - chargedPrice),
        ]
    }

    /// Compute is given back first, then the price.
    func refundLegs(_ cents: Int) -> [Ledger.Leg] {
        let compute = max(0, chargedCents - min(priceCents, chargedCents))
        let fromCompute = min(cents, max(0, compute - refundedCents))
        return [
            .init(account: Ledger.user(userID), cents: cents),
            .init(account: Ledger.agent(agentID), cents: -(cents - fromCompute)),
            .init(account: Ledger.compute, cents: -fromCompute),
        ]
    }
}
