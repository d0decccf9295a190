import Foundation
import Storage

extension Facts {
    /// What besides the database it takes to read them.
    struct Settings: Sendable {
        var breaker: Gate.Breaker
        var chainAge: Double
    }

    /// Locks what is counted of the user, with the transaction's next statement.
    ///
    /// It is a statement of its own, which may wait for another decision. The snapshot is read by a later one, so all of it
    /// is as it is when the waiting is over, not only the row that was waited for.
    static func lock(_ request: AdmissionRequest, in transaction: Transaction) throws {
        try transaction.executeLater("SELECT user_id FROM accounts WHERE user_id = \(request.userID) \(.forUpdate)")
    }

    /// - Returns: nil when there is no such user.
    static func read(
        _ request: AdmissionRequest, at now: Date, _ settings: Settings, in executor: some SQLExecutor
    ) async throws -> (facts: Facts, isKnown: Bool)? {
        let rows = try await executor.query(snapshot(request))
        // A row for each grant, or one without.
        guard let row = rows.first else { return nil }
        let agentID: String? = try row["agent_id"]
        let source: String? = try row["source"]
        let grants = source == nil ? [] : try rows.map(Grant.init)
        let facts = Facts(
            now: now, request: request, gate: try Gate.State(row), breaker: settings.breaker, user: try User(row),
            tier: try Tier(row), account: try Account(row), rates: try Rates(row),
            agent: agentID == nil ? nil : try Agent(row), grant: best(of: grants, at: now, settings.chainAge),
            chainAge: settings.chainAge)
        return (facts, try row["known"] != 0)
    }

    /// One statement for all that is not counted of the agent.
    static func snapshot(_ request: AdmissionRequest) -> SQL {
        """
        SELECT \(Account.columns), \(User.columns), \(Tier.columns), \(Gate.State.columns), \(Rates.columns),
            \(Agent.columns), \(Grant.columns),
            (SELECT count(*) FROM reservations WHERE execution_id = \(request.executionID))
                + (SELECT count(*) FROM executions WHERE id = \(request.executionID)) AS known
        FROM accounts AS account
        JOIN users ON users.id = account.user_id
        JOIN tiers ON tiers.number = users.tier
        JOIN settings ON settings.id = 1
        LEFT JOIN agents ON agents.id = \(request.agentID)
        LEFT JOIN agent_versions AS versions ON versions.agent_id = agents.id AND versions.version = agents.version
        LEFT JOIN grants AS rights ON rights.user_id = account.user_id AND rights.agent_id = agents.id
        WHERE account.user_id = \(request.userID)
        """
    }

    /// One that is good, and of these one that is not used up by it; else the newest that was not revoked, for its flaw.
    private static func best(of grants: [Grant], at now: Date, _ chainAge: Double) -> Grant? {
        let rank = { (grant: Grant) in
            if grant.flaw(at: now, chainAge: chainAge) == nil { return grant.usesLimit == nil ? 0 : 1 }
            return grant.revokedAt == nil ? 2 : 3
        }
        return grants.min { one, other in
            rank(one) != rank(other) ? rank(one) < rank(other) : one.createdAt > other.createdAt
        }
    }

    /// What others than this user's decisions change as well is locked, and read again as it is now.
    mutating func confirm(in transaction: Transaction) async throws {
        if gate.breaker(breaker, at: now) == .halfOpen {
            let rows = try await transaction.query(
                "SELECT \(Gate.State.columns) FROM settings WHERE id = 1 \(.forUpdate)")
            if let row = rows.first { gate = try Gate.State(row) }
        }
        if let grant, grant.usesLimit != nil {
            let rows = try await transaction.query(
                """
                SELECT \(Grant.columns) FROM grants AS rights
                WHERE user_id = \(grant.userID) AND agent_id = \(grant.agentID) AND source = \(grant.source) \(.forUpdate)
                """)
            self.grant = try rows.first.map(Grant.init)
        }
        if let agent, agent.hasLimits {
            try transaction.executeLater("SELECT id FROM agents WHERE id = \(agent.id) \(.forUpdate)")
        }
        try await countAgent(in: transaction)
    }

    /// Counts what is under way of an agent that has limits of its own.
    mutating func countAgent(in executor: some SQLExecutor) async throws {
        guard let agent, agent.hasLimits else { return }
        let rows = try await executor.query(Self.counts(of: agent, since: now - 3600))
        guard let row = rows.first else { return }
        let oldest: Date? = try row["oldest"]
        agentCounts = AgentCounts(
            active: try row["active"], lastHour: try row["last_hour"], resetAt: oldest.map { $0 + 3600 })
    }

    /// Counts no further than to the agent's own limits.
    static func counts(of agent: Agent, since hourAgo: Date) -> SQL {
        let perHour = agent.executionsPerHour ?? 0
        return """
            SELECT
                (SELECT count(*) FROM (SELECT 1 AS one FROM reservations
                    WHERE agent_id = \(agent.id) AND settled_at IS NULL LIMIT \(agent.maxConcurrent ?? 0)) AS o) AS active,
                (SELECT count(*) FROM (SELECT 1 AS one FROM reservations
                    WHERE agent_id = \(agent.id) AND admitted_at > \(hourAgo) LIMIT \(perHour)) AS l) AS last_hour,
                (SELECT admitted_at FROM reservations WHERE agent_id = \(agent.id) AND admitted_at > \(hourAgo)
                    ORDER BY admitted_at DESC LIMIT 1 OFFSET \(max(0, perHour - 1))) AS oldest
            """
    }
}

extension Agent {
    fileprivate var hasLimits: Bool { maxConcurrent != nil || executionsPerHour != nil }
}
