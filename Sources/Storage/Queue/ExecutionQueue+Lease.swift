extension ExecutionQueue {
    /// The right to run an execution. The fence tells it from every other claim of the same execution, and belongs into
    /// the container's name.
    public struct Lease: Hashable, Sendable {
        public let executionID: String
        public let holder: String
        public let fence: Int
    }

    /// What was claimed.
    public struct Claim: Sendable {
        public let lease: Lease
        public let execution: StoredExecution
    }

    /// Takes what is next: by priority, then turn, then age. No other claim gets the same one.
    ///
    /// After a `commit_unknown`, ``held(by:in:)`` tells what was claimed.
    /// - Parameters:
    ///   - holder: the node, by a name that it keeps when it starts again.
    ///   - limit: longest time until it runs.
    /// - Returns: nil when nothing waits.
    public func claim(
        for holder: String, startingWithin limit: Duration, in transaction: Transaction
    ) async throws -> Claim? {
        let rows = try await transaction.query(
            """
            UPDATE executions SET state = 'starting', fence = fence + 1, lease_holder = \(holder),
                lease_expires_at = \(.now) + \(configuration.lease.wholeMilliseconds), claimed_at = \(.now),
                log_slot = (SELECT slot FROM log_slots ORDER BY opening DESC LIMIT 1),
                deadline = \(.now) + \(limit.wholeMilliseconds)
            WHERE id = (
                SELECT id FROM executions WHERE state = 'queued'
                ORDER BY priority DESC, turn, created_at, id LIMIT 1 \(.forUpdateSkipLocked))
            RETURNING \(StoredExecution.columns)
            """)
        guard let row = rows.first else { return nil }
        let execution = try StoredExecution(row)
        try transaction.announce(Self.changed, execution.id)
        return Self.claim(of: execution, holder)
    }

    /// What the holder has claimed and not ended: for a node that starts again.
    public func held(by holder: String, in executor: some SQLExecutor) async throws -> [Claim] {
        try await executor.query(
            "SELECT \(StoredExecution.columns) FROM executions WHERE lease_holder = \(holder) ORDER BY created_at, id"
        ).map { try Self.claim(of: StoredExecution($0), holder) }
    }

    private static func claim(of execution: StoredExecution, _ holder: String) -> Claim {
        Claim(lease: Lease(executionID: execution.id, holder: holder, fence: execution.fence), execution: execution)
    }

    /// The heartbeat: prolongs leases of one holder. One that has run out and that nobody has acted on yet is prolonged
    /// as well.
    /// - Returns: those that are still held, and for which of them an end has been asked for. The others are lost.
    public func renew(
        _ leases: [Lease], in transaction: Transaction
    ) async throws -> [Lease: Cancellation?] {
        guard let holder = leases.first?.holder else { return [:] }
        precondition(leases.allSatisfy { $0.holder == holder }, "leases are renewed by their holder")
        let pairs: [SQL] = leases.map { "(\($0.executionID), \($0.fence))" }
        let fences: SQL = pairs.joined(by: ", ")
        // In one order for all who lock several executions.
        _ = try await transaction.query(
            """
            SELECT id FROM executions WHERE lease_holder = \(holder) AND (id, fence) IN (VALUES \(fences))
            ORDER BY id \(.forUpdate)
            """)
        let rows = try await transaction.query(
            """
            UPDATE executions SET lease_expires_at = \(.now) + \(configuration.lease.wholeMilliseconds)
            WHERE lease_holder = \(holder) AND (id, fence) IN (VALUES \(fences))
            RETURNING id, fence, cancel_requested_at, cancel_grace_ms, cancel_reason
            """)
        var held: [Lease: Cancellation?] = [:]
        for row in rows {
            let lease = Lease(executionID: try row["id"], holder: holder, fence: try row["fence"])
            held.updateValue(try Cancellation(row), forKey: lease)
        }
        return held
    }

    /// The agent's code runs from now on.
    /// - Parameters:
    ///   - launch: JSON.
    ///   - limit: longest time in this state.
    /// - Throws: ``QueueError`` with code `lease_lost`, also when it is stopping already.
    public func markRunning(
        _ lease: Lease, launch: String, for limit: Duration, in transaction: Transaction
    ) async throws {
        let changed = try await transaction.execute(
            """
            UPDATE executions
            SET state = 'running', launch = \(launch), started_at = \(.now), deadline = \(.now) + \(limit.wholeMilliseconds)
            WHERE \(Self.isHeld(lease)) AND state = 'starting'
            """)
        guard changed == 1 else { throw QueueError.leaseLost(lease) }
        try transaction.announce(Self.changed, lease.executionID)
    }

    /// The agent has been told to stop.
    /// - Parameter limit: longest time in this state.
    /// - Throws: ``QueueError`` with code `lease_lost`, also when it is stopping already.
    public func markStopping(_ lease: Lease, for limit: Duration, in transaction: Transaction) async throws {
        let changed = try await transaction.execute(
            """
            UPDATE executions
            SET state = 'stopping', stopping_at = \(.now), deadline = \(.now) + \(limit.wholeMilliseconds)
            WHERE \(Self.isHeld(lease)) AND state IN ('starting', 'running')
            """)
        guard changed == 1 else { throw QueueError.leaseLost(lease) }
        try transaction.announce(Self.changed, lease.executionID)
    }

    /// Ends an execution, with what it used.
    /// - Parameters:
    ///   - state: an end.
    ///   - ending: JSON.
    /// - Throws: ``QueueError`` with code `lease_lost`.
    public func finish(
        _ lease: Lease, as state: ExecutionState, ending: String, usage: StoredUsage?, in transaction: Transaction
    ) async throws {
        precondition(state.isEnd, "an execution ends in an end, and not as \(state)")
        let changed = try await transaction.execute(
            """
            UPDATE executions SET state = \(state), ending = \(ending), finished_at = \(.now),
                lease_holder = NULL, lease_expires_at = NULL
            WHERE \(Self.isHeld(lease))
            """)
        guard changed == 1 else { throw QueueError.leaseLost(lease) }
        if let usage {
            try transaction.executeLater(
                """
                INSERT INTO execution_usage
                    (execution_id, wall_ms, cpu_ms, max_memory_bytes, log_bytes, egress_bytes)
                VALUES (\(lease.executionID), \(usage.wallMilliseconds), \(usage.cpuMilliseconds), \(usage.maxMemoryBytes),
                    \(usage.logBytes), \(usage.egressBytes))
                """)
        }
        try transaction.announce(Self.changed, lease.executionID)
    }

    private static func isHeld(_ lease: Lease) -> SQL {
        "id = \(lease.executionID) AND lease_holder = \(lease.holder) AND fence = \(lease.fence)"
    }
}
