/// The queue of executions, and the leases on those that were taken from it.
///
/// Each call is part of the caller's transaction, so that what belongs together (the audit trail, a reservation) is
/// written together; ``Transaction/Isolation/readCommitted`` is enough for all of them. Times are the database's own.
///
/// Notifications, each with an execution's id: ``cancelRequested``, ``changed``; and ``submitted``, see ``SubmissionBell``.
public struct ExecutionQueue: Sendable {
    /// How the queue is bounded.
    public struct Configuration: Sendable {
        /// Executions that may wait. Submissions that are under way at the same time may exceed it by their own number,
        /// and those of other processes by what they submit in a quarter of a second.
        public var capacity = 10_000
        /// How long a claim holds without a heartbeat, which is due at a third of it.
        public var lease: Duration = .seconds(30)

        public init() {}
    }

    /// What is submitted.
    public struct Submission: Sendable {
        /// Chosen by who submits, so that it can be submitted again when the answer was lost.
        public var id: String
        public var userID: String
        public var agentID: String?
        /// A higher one is claimed first.
        public var priority: Int
        /// JSON.
        public var request: String
        /// Longest time in the queue.
        public var patience: Duration

        public init(
            id: String, userID: String, agentID: String?, priority: Int = 0, request: String, patience: Duration
        ) {
            self.id = id
            self.userID = userID
            self.agentID = agentID
            self.priority = priority
            self.request = request
            self.patience = patience
        }
    }

    public static let submitted: StaticString = "paddock_submitted"
    public static let cancelRequested: StaticString = "paddock_cancel_requested"
    /// The state of an execution has changed.
    public static let changed: StaticString = "paddock_changed"

    let configuration: Configuration
    private let depth = QueueDepth()

    public init(_ configuration: Configuration = Configuration()) { self.configuration = configuration }

    /// Writes an execution into the queue; it is there for good once the transaction is committed. ``SubmissionBell``
    /// wakes the nodes then, which otherwise look every second.
    ///
    /// Among one priority, users take turns: an execution's turn is the one after its user's last, but none that has
    /// been served already. So a thousand of one user do not hold up the first of another, and who comes late is not
    /// compensated for the time before.
    /// - Returns: false when an execution with that id is there already; it stays as it is.
    /// - Throws: ``QueueError`` with code `queue_full`; ``DatabaseError``, `CancellationError`.
    @discardableResult
    public func submit(_ submission: Submission, in transaction: Transaction) async throws -> Bool {
        if depth.mustCount(capacity: configuration.capacity) {
            guard try await find(submission.id, in: transaction) == nil else { return false }
            try await requireRoom(in: transaction)
        }
        let insertion = Self.insertion(submission)
        let inserted = try await transaction.execute("\(insertion) ON CONFLICT (id) DO NOTHING")
        if inserted == 1 { depth.submitted() }
        return inserted == 1
    }

    /// The same of one whose id is known to be new, and for which there is room; with the transaction's next statement.
    /// That one fails with `unique_violation` where somebody else has taken the id meanwhile.
    public func submitLater(_ submission: Submission, in transaction: Transaction) throws {
        try transaction.executeLater(Self.insertion(submission))
        depth.submitted()
    }

    /// Refuses when too many wait.
    /// - Throws: ``QueueError`` with code `queue_full`; ``DatabaseError``, `CancellationError`.
    public func requireRoom(in transaction: Transaction) async throws {
        guard depth.mustCount(capacity: configuration.capacity) else { return }
        let rows = try await transaction.query(
            """
            SELECT count(*) AS waiting FROM (
                SELECT 1 AS one FROM executions WHERE state = 'queued' LIMIT \(configuration.capacity)) AS q
            """)
        let waiting: Int = try rows.first?["waiting"] ?? 0
        depth.counted(waiting)
        guard waiting < configuration.capacity else {
            throw QueueError(
                code: .queueFull,
                message: "\(configuration.capacity) executions wait, and no more may: try again later")
        }
    }

    /// The turn is the largest of what has been served, and of those after the user's own: each of the three is one step
    /// in an index.
    static func insertion(_ submission: Submission) -> SQL {
        let (user, priority) = (submission.userID, submission.priority)
        return """
            INSERT INTO executions (id, user_id, agent_id, state, priority, turn, request, created_at, deadline)
            VALUES (\(submission.id), \(user), \(submission.agentID), 'queued', \(priority),
                (SELECT max(turn) FROM (
                    SELECT 0 AS turn
                    UNION ALL SELECT * FROM (SELECT turn FROM executions WHERE fence > 0 AND priority = \(priority)
                        ORDER BY turn DESC LIMIT 1) AS served
                    UNION ALL SELECT * FROM (SELECT turn + 1 FROM executions
                        WHERE fence > 0 AND user_id = \(user) AND priority = \(priority)
                        ORDER BY turn DESC LIMIT 1) AS user_served
                    UNION ALL SELECT * FROM (SELECT turn + 1 FROM executions
                        WHERE state = 'queued' AND user_id = \(user) AND priority = \(priority)
                        ORDER BY turn DESC LIMIT 1) AS user_waiting) AS turns),
                \(submission.request), \(.now), \(.now) + \(submission.patience.wholeMilliseconds))
            """
    }

    /// An execution, in whatever state.
    /// - Parameter locked: whether it stays as it is until the transaction ends.
    public func find(
        _ id: String, locked: Bool = false, in executor: some SQLExecutor
    ) async throws -> StoredExecution? {
        let lock: SQL = locked ? "\(.forUpdate)" : ""
        return try await executor.find("SELECT \(StoredExecution.columns) FROM executions WHERE id = \(id) \(lock)")
            .map(StoredExecution.init)
    }

    /// Asks for an execution's end: one that waits ends now, one that somebody holds is to be ended by its holder.
    /// The first one who asks decides.
    /// - Parameters:
    ///   - ending: JSON, of one that waits.
    ///   - grace: from SIGTERM to SIGKILL; nil for the execution's own.
    ///   - reason: for its message.
    /// - Returns: the execution as it is then; nil when there is none.
    public func cancel(
        _ id: String, ending: String, grace: Duration? = nil, reason: String? = nil, in transaction: Transaction
    ) async throws -> StoredExecution? {
        let ended = try await transaction.execute(
            """
            UPDATE executions SET state = 'canceled', ending = \(ending), finished_at = \(.now),
                cancel_requested_at = \(.now), cancel_reason = \(reason)
            WHERE id = \(id) AND state = 'queued'
            """)
        if ended == 1 {
            try transaction.announce(Self.changed, id)
        } else {
            let asked = try await transaction.execute(
                """
                UPDATE executions SET cancel_requested_at = \(.now), cancel_grace_ms = \(grace?.wholeMilliseconds),
                    cancel_reason = \(reason)
                WHERE id = \(id) AND finished_at IS NULL AND cancel_requested_at IS NULL
                """)
            if asked == 1 { try await transaction.notify(Self.cancelRequested, id) }
        }
        return try await find(id, in: transaction)
    }
}

extension Duration {
    /// As times are stored.
    package var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }
}
