public import Foundation
public import Storage

/// A user's right to run an agent.
public struct Grant: Sendable, Equatable, Codable {
    /// Where a right comes from.
    public enum Source: String, Sendable, Codable, CaseIterable, SQLConvertible {
        /// An admin gave it.
        case admin
        /// The user has bought it.
        case purchase
        /// The user's wallet holds a token; see ``RightSource``.
        case chain
        /// The user is the agent's developer. Found out, never stored.
        case developer
        /// The agent's price is 0. Found out, never stored.
        case free
    }

    public let userID: String
    public let agentID: String
    public let source: Source
    public let createdAt: Date
    /// The user who gave it, or the program.
    public let createdBy: String
    /// nil for good.
    public let expiresAt: Date?
    /// Executions that it is good for; nil for any number.
    public let usesLimit: Int?
    public let uses: Int
    /// When the chain was asked last.
    public let checkedAt: Date?
    public let revokedAt: Date?

    static let columns: SQL =
        """
        rights.user_id AS right_user, rights.agent_id AS right_agent, rights.source, rights.created_at AS right_created_at,
        rights.created_by, rights.expires_at, rights.uses_limit, rights.uses, rights.checked_at, rights.revoked_at
        """

    init(_ row: Row) throws {
        userID = try row["right_user"]
        agentID = try row["right_agent"]
        source = try row["source"]
        createdAt = try row["right_created_at"]
        createdBy = try row["created_by"]
        expiresAt = try row["expires_at"]
        usesLimit = try row["uses_limit"]
        uses = try row["uses"]
        checkedAt = try row["checked_at"]
        revokedAt = try row["revoked_at"]
    }

    /// Why it is not good now; nil when it is. Completes a sentence that begins with the grant.
    public func flaw(at now: Date, chainAge: Double) -> String? {
        if revokedAt != nil { return "was revoked" }
        if let expiresAt, expiresAt <= now { return "has expired" }
        if let usesLimit, uses >= usesLimit { return "was for \(usesLimit) executions, and all are used" }
        if let checkedAt, checkedAt <= now - chainAge { return "was last confirmed by the chain too long ago" }
        return nil
    }
}
