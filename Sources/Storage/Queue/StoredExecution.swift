public import Foundation

/// An execution as the database has it.
public struct StoredExecution: Sendable {
    public let id: String
    public let userID: String
    public let agentID: String?
    public let state: ExecutionState
    public let priority: Int
    /// JSON.
    public let request: String
    /// JSON; what it takes to find what runs. nil until it runs.
    public let launch: String?
    /// JSON; nil until it has ended.
    public let ending: String?
    public let createdAt: Date
    public let startedAt: Date?
    public let finishedAt: Date?
    /// When its present state must be over.
    public let deadline: Date
    public let cancelRequestedAt: Date?
    /// Counts its claims: 0 until the first one.
    public let fence: Int
    public let leaseHolder: String?
    public let leaseExpiresAt: Date?

    static let columns: SQL =
        """
        id, user_id, agent_id, state, priority, request, launch, ending, created_at, started_at, finished_at, deadline,
        cancel_requested_at, fence, lease_holder, lease_expires_at
        """

    init(_ row: Row) throws {
        id = try row["id"]
        userID = try row["user_id"]
        agentID = try row["agent_id"]
        state = try row["state"]
        priority = try row["priority"]
        request = try row["request"]
        launch = try row["launch"]
        ending = try row["ending"]
        createdAt = try row["created_at"]
        startedAt = try row["started_at"]
        finishedAt = try row["finished_at"]
        deadline = try row["deadline"]
        cancelRequestedAt = try row["cancel_requested_at"]
        fence = try row["fence"]
        leaseHolder = try row["lease_holder"]
        leaseExpiresAt = try row["lease_expires_at"]
    }
}

/// What an execution used, stored with its ending.
public struct StoredUsage: Sendable, Equatable {
    public var wallMilliseconds: Int
    public var cpuMilliseconds: Int
    public var maxMemoryBytes: Int
    public var logBytes: Int
    public var egressBytes: Int

    public init(
        wallMilliseconds: Int, cpuMilliseconds: Int, maxMemoryBytes: Int, logBytes: Int, egressBytes: Int
    ) {
        self.wallMilliseconds = wallMilliseconds
        self.cpuMilliseconds = cpuMilliseconds
        self.maxMemoryBytes = maxMemoryBytes
        self.logBytes = logBytes
        self.egressBytes = egressBytes
    }
}
