public import Foundation
public import Storage

/// Rights of users to run agents: one for each user, agent and source.
public struct GrantRepository: Sendable {
    private let now: @Sendable () -> Date

    public init(now: @escaping @Sendable () -> Date = { Date() }) { self.now = now }

    /// Gives a right, or gives it anew: what was used of an earlier one no longer counts, and a revoked one is good again.
    /// - Parameters:
    ///   - source: `admin`, `purchase` or `chain`.
    ///   - expiresAt: nil for good.
    ///   - usesLimit: executions that it is good for, from 1; nil for any number.
    ///   - actor: who gives it.
    /// - Throws: ``EntitlementError`` when there is no such user or agent, or a value is wrong.
    @discardableResult
    public func grant(
        userID: String, agentID: String, source: Grant.Source = .admin, expiresAt: Date? = nil, usesLimit: Int? = nil,
        by actor: String, in transaction: Transaction
    ) async throws -> Grant {
        let now = now()
        var wrong: [EntitlementError.Field] = []
        if let usesLimit, usesLimit < 1 { wrong.append(.init(path: "uses", message: "must be 1 or more")) }
        if let expiresAt, expiresAt <= now { wrong.append(.init(path: "expiresAt", message: "is in the past")) }
        if source == .developer || source == .free {
            wrong.append(.init(path: "source", message: "\(source) is found out, and cannot be given"))
        }
        guard wrong.isEmpty else { throw EntitlementError(validating: wrong) }
        guard try await UserRepository().find(userID, in: transaction) != nil else {
            throw EntitlementError.notFound("user", userID)
        }
        guard try await AgentRepository().find(agentID, in: transaction) != nil else {
            throw EntitlementError.notFound("agent", agentID)
        }
        let checkedAt = source == .chain ? now : nil
        let rows = try await transaction.query(
            """
            INSERT INTO grants AS rights
                (user_id, agent_id, source, created_at, created_by, expires_at, uses_limit, checked_at)
            VALUES (\(userID), \(agentID), \(source), \(now), \(actor), \(expiresAt), \(usesLimit), \(checkedAt))
            ON CONFLICT (user_id, agent_id, source) DO UPDATE SET created_at = excluded.created_at,
                created_by = excluded.created_by, expires_at = excluded.expires_at, uses_limit = excluded.uses_limit,
                uses = 0, checked_at = excluded.checked_at, revoked_at = NULL
            RETURNING user_id AS right_user, agent_id AS right_agent, source, created_at AS right_created_at, created_by,
                expires_at, uses_limit, uses, checked_at, revoked_at
            """)
        guard let row = rows.first else { throw EntitlementError.notFound("grant", userID) }
        let grant = try Grant(row)
        try await Audit.append(by: actor, "entitlement.granted", userID, grant, in: transaction)
        return grant
    }

    /// Takes rights away; every decision from now on sees it.
    /// - Parameters:
    ///   - source: nil for all sources.
    ///   - actor: who does it.
    /// - Returns: how many there were.
    @discardableResult
    public func revoke(
        userID: String, agentID: String, source: Grant.Source? = nil, by actor: String, in transaction: Transaction
    ) async throws -> Int {
        let ofSource: SQL = source.map { "AND source = \($0)" } ?? ""
        let revoked = try await transaction.execute(
            """
            UPDATE grants SET revoked_at = \(now())
            WHERE user_id = \(userID) AND agent_id = \(agentID) AND revoked_at IS NULL \(ofSource)
            """)
        if revoked > 0 {
            try await Audit.append(
                by: actor, "entitlement.revoked", userID, ["agentId": agentID, "source": source?.rawValue],
                in: transaction)
        }
        return revoked
    }

    /// Rights that are not revoked, by user, agent and source.
    /// - Parameters:
    ///   - userID: nil for all.
    ///   - agentID: nil for all.
    ///   - isRevokedToo: also those that were revoked.
    ///   - cursor: of the page before.
    ///   - limit: 1 to 100.
    public func list(
        userID: String? = nil, agentID: String? = nil, isRevokedToo: Bool = false, after cursor: String? = nil,
        limit: Int = 50, in executor: some SQLExecutor
    ) async throws -> Page<Grant> {
        var conditions: [SQL] = isRevokedToo ? [] : ["rights.revoked_at IS NULL"]
        if let userID { conditions.append("rights.user_id = \(userID)") }
        if let agentID { conditions.append("rights.agent_id = \(agentID)") }
        let parts = cursor?.split(separator: " ", omittingEmptySubsequences: false).map(String.init) ?? []
        if parts.count == 3 {
            conditions.append(
                "(rights.user_id, rights.agent_id, rights.source) > (\(parts[0]), \(parts[1]), \(parts[2]))")
        }
        let filter: SQL = conditions.isEmpty ? "" : "WHERE \(conditions.joined(by: " AND "))"
        let rows = try await executor.query(
            """
            SELECT \(Grant.columns) FROM grants AS rights \(filter)
            ORDER BY rights.user_id, rights.agent_id, rights.source LIMIT \(limit + 1)
            """)
        return Page(try rows.map(Grant.init), limit: limit) { "\($0.userID) \($0.agentID) \($0.source.rawValue)" }
    }
}
