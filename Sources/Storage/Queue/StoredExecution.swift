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
    /// When a node last took it.
    public let claimedAt: Date?
    public let startedAt: Date?
    /// When its agent was told to end.
    public let stoppingAt: Date?
    public let finishedAt: Date?
    /// When its present state must be over.
    public let deadline: Date
    /// nil while nobody has asked for its end.
    public let cancellation: Cancellation?
    /// Counts its claims: 0 until the first one.
    public let fence: Int
    public let leaseHolder: String?
    public let leaseExpiresAt: Date?

    static let columns: SQL =
        """
        id, user_id, agent_id, state, priority, request, launch, ending, created_at, claimed_at, started_at, stopping_at,
        finished_at, deadline, cancel_requested_at, cancel_grace_ms, cancel_reason, fence, lease_holder, lease_expires_at
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
        claimedAt = try row["claimed_at"]
        startedAt = try row["started_at"]
        stoppingAt = try row["stopping_at"]
        finishedAt = try row["finished_at"]
        deadline = try row["deadline"]
        cancellation = try Cancellation(row)
        fence = try row["fence"]
        leaseHolder = try row["lease_holder"]
        leaseExpiresAt = try row["lease_expires_at"]
    }
}

/// That somebody has asked for an execution's end.
public struct Cancellation: Sendable, Equatable {
    public let requestedAt: Date
    /// From SIGTERM to SIGKILL, in whole milliseconds; nil for the execution's own.
    public let grace: Duration?
    /// Said in the execution's message.
    public let reason: String?

    init?(_ row: Row) throws {
        guard let requestedAt: Date = try row["cancel_requested_at"] else { return nil }
        self.requestedAt = requestedAt
        let grace: Int64? = try row["cancel_grace_ms"]
        self.grace = grace.map { .milliseconds($0) }
        reason = try row["cancel_reason"]
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
