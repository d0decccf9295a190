public import Foundation
public import Storage

/// What a user may do.
public enum Role: String, Sendable, Codable, CaseIterable, SQLConvertible {
    case user
    /// Owns agents, and may change them.
    case developer
    /// May do everything.
    case admin
}

/// Somebody who runs agents.
public struct User: Sendable, Equatable, Codable {
    /// `usr_…`, or as the issuer of its tokens names it.
    public let id: String
    public var role: Role
    public var name: String?
    /// As the wallet writes it; nothing is read from it here.
    public var walletAddress: String?
    /// A ``Tier``'s number.
    public var tier: Int
    /// nil for one who is not suspended.
    public var suspendedAt: Date?
    /// nil for the tier's.
    public var executionsPerHour: Int?
    /// nil for the tier's.
    public var executionsPerDay: Int?
    /// nil for the tier's.
    public var maxConcurrent: Int?
    public let createdAt: Date

    public var isSuspended: Bool { suspendedAt != nil }

    /// With a table's name, since columns of several tables are read at once.
    static let columns: SQL =
        """
        users.id AS user_id, users.role AS user_role, users.name AS user_name, users.wallet_address, users.tier AS user_tier,
        users.suspended_at, users.executions_per_hour AS user_per_hour, users.executions_per_day AS user_per_day,
        users.max_concurrent AS user_concurrent, users.created_at AS user_created_at
        """

    init(_ row: Row) throws {
        id = try row["user_id"]
        role = try row["user_role"]
        name = try row["user_name"]
        walletAddress = try row["wallet_address"]
        tier = try row["user_tier"]
        suspendedAt = try row["suspended_at"]
        executionsPerHour = try row["user_per_hour"]
        executionsPerDay = try row["user_per_day"]
        maxConcurrent = try row["user_concurrent"]
        createdAt = try row["user_created_at"]
    }
}
