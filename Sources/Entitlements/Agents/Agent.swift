public import Foundation
public import Storage

/// What an agent is listed under; CONTRACT §5.
public enum AgentCategory: String, Sendable, Codable, CaseIterable, SQLConvertible {
    case trading = "TRADING"
    case analytics = "ANALYTICS"
    case defi = "DEFI"
    case nft = "NFT"
    case social = "SOCIAL"
    case utility = "UTILITY"
}

/// An agent as it is listed, with its current version.
public struct Agent: Sendable, Equatable {
    /// `agt_…`.
    public let id: String
    /// The developer's user id.
    public let ownerID: String
    public let name: String
    public let description: String
    public let category: AgentCategory
    public let price: Price
    /// One that is not active is not run.
    public let isActive: Bool
    /// Executions of all users at once; nil for no limit of its own.
    public let maxConcurrent: Int?
    /// Executions of all users in any 60 minutes; nil for no limit of its own.
    public let executionsPerHour: Int?
    public let createdAt: Date
    public let updatedAt: Date
    public let deletedAt: Date?
    public let version: AgentVersion

    static let columns: SQL =
        """
        agents.id AS agent_id, agents.owner_id, agents.name AS agent_name, agents.description, agents.category,
        agents.price, agents.price_token, agents.is_active, agents.max_concurrent AS agent_concurrent,
        agents.executions_per_hour AS agent_per_hour, agents.created_at AS agent_created_at, agents.updated_at,
        agents.deleted_at, \(AgentVersion.columns)
        """

    init(_ row: Row) throws {
        id = try row["agent_id"]
        ownerID = try row["owner_id"]
        name = try row["agent_name"]
        description = try row["description"]
        category = try row["category"]
        price = try Price(amount: row["price"], token: row["price_token"])
        isActive = try row["is_active"]
        maxConcurrent = try row["agent_concurrent"]
        executionsPerHour = try row["agent_per_hour"]
        createdAt = try row["agent_created_at"]
        updatedAt = try row["updated_at"]
        deletedAt = try row["deleted_at"]
        version = try AgentVersion(row)
    }
}

/// What is run: it is never changed, and executions keep theirs.
public struct AgentVersion: Sendable, Equatable {
    /// From 1.
    public let number: Int
    /// As it was given, such as `registry.example.com/agent:1`.
    public let dockerImage: String
    /// `sha256:…`: the image's id, or the digest of its manifest. Empty for one that is not pinned, which is not run.
    public let imageDigest: String
    /// JSON Schema; nil for any input.
    public let inputSchema: String?
    /// JSON Schema; nil for any output.
    public let outputSchema: String?
    public let limits: LimitsRequest
    /// `HOST:PORT`, which it wants to reach.
    public let hosts: [String]
    public let createdAt: Date

    public var isPinned: Bool { imageDigest.hasPrefix("sha256:") }

    static let columns: SQL =
        """
        versions.version AS version_number, versions.docker_image, versions.image_digest, versions.input_schema,
        versions.output_schema, versions.limits AS version_limits, versions.hosts AS version_hosts,
        versions.created_at AS version_created_at
        """

    init(_ row: Row) throws {
        number = try row["version_number"]
        dockerImage = try row["docker_image"]
        imageDigest = try row["image_digest"]
        inputSchema = try row["input_schema"]
        outputSchema = try row["output_schema"]
        limits = try (row["version_limits"] as JSONColumn<LimitsRequest>).value
        hosts = try (row["version_hosts"] as JSONColumn<[String]>).value
        createdAt = try row["version_created_at"]
    }
}
