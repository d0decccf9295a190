import Foundation
public import Storage

/// What was used and charged, added up by user, agent and hour; and a month's bill from it.
public struct UsageRecords: Sendable {
    /// What one agent came to in a month.
    public struct BillLine: Sendable, Equatable, Codable {
        public let agentId: String
        public let executions: Int
        public let chargedCents: Int
        public let refundedCents: Int
    }

    /// A month of one user.
    public struct Bill: Sendable, Equatable, Codable {
        public let month: String
        public let lines: [BillLine]
        /// Charges less refunds, by the usage records.
        public let totalCents: Int
        /// The same, by the ledger.
        public let ledgerCents: Int
    }

    public init() {}

    private static func hour(_ date: Date) -> Int { Int((date.timeIntervalSince1970 / 3600).rounded(.down)) }

    func add(
        _ held: Held, _ usage: StoredUsage?, _ amount: Rates.Amount?, at now: Date, in transaction: Transaction
    ) throws {
        try transaction.executeLater(
            """
            INSERT INTO usage_records AS old (user_id, agent_id, hour, executions, wall_ms, cpu_ms, memory_mib_ms,
                egress_bytes, charged_cents, refunded_cents)
            VALUES (\(held.userID), \(held.agentID), \(Self.hour(now)), 1, \(usage?.wallMilliseconds ?? 0),
                \(amount?.cpuMilliseconds ?? 0), \(amount?.memoryMiBMilliseconds ?? 0), \(amount?.egressBytes ?? 0),
                \(held.chargedCents), 0)
            ON CONFLICT (user_id, hour, agent_id) DO UPDATE SET executions = old.executions + 1,
                wall_ms = old.wall_ms + excluded.wall_ms, cpu_ms = old.cpu_ms + excluded.cpu_ms,
                memory_mib_ms = old.memory_mib_ms + excluded.memory_mib_ms,
                egress_bytes = old.egress_bytes + excluded.egress_bytes,
                charged_cents = old.charged_cents + excluded.charged_cents
            """)
    }

    func refund(
        _ cents: Int, _ userID: String, _ agentID: String, at now: Date, in transaction: Transaction
    ) throws {
        try transaction.executeLater(
            """
            INSERT INTO usage_records AS old (user_id, agent_id, hour, executions, wall_ms, cpu_ms, memory_mib_ms,
                egress_bytes, charged_cents, refunded_cents)
            VALUES (\(userID), \(agentID), \(Self.hour(now)), 0, 0, 0, 0, 0, 0, \(cents))
            ON CONFLICT (user_id, hour, agent_id) DO UPDATE SET
                refunded_cents = old.refunded_cents + excluded.refunded_cents
            """)
    }

    /// A month's bill, computed from the usage records and from the ledger: the two agree.
    public func bill(of userID: String, _ month: UTCMonth, in executor: some SQLExecutor) async throws -> Bill {
        let (from, to) = (month.start, month.next.start)
        let rows = try await executor.query(
            """
            SELECT agent_id, CAST(sum(executions) AS BIGINT) AS executions,
                CAST(sum(charged_cents) AS BIGINT) AS charged, CAST(sum(refunded_cents) AS BIGINT) AS refunded
            FROM usage_records
            WHERE user_id = \(userID) AND hour >= \(Self.hour(from)) AND hour < \(Self.hour(to))
            GROUP BY agent_id ORDER BY agent_id
            """)
        let lines = try rows.map {
            BillLine(
                agentId: try $0["agent_id"], executions: try $0["executions"], chargedCents: try $0["charged"],
                refundedCents: try $0["refunded"])
        }
        let sums = try await executor.query(
            """
            SELECT CAST(coalesce(sum(cents), 0) AS BIGINT) AS total FROM ledger
            WHERE account = \(Ledger.user(userID)) AND kind IN ('charge', 'refund')
                AND recorded_at >= \(from) AND recorded_at < \(to)
            """)
        let ledger: Int = try sums.first?["total"] ?? 0
        return Bill(
            month: month.description, lines: lines,
            totalCents: lines.reduce(0) { $0 + $1.chargedCents - $1.refundedCents },
            ledgerCents: -ledger)
    }
}
