extension ExecutionQueue {
    /// What nobody looks after any more: its lease has run out, or its state's deadline has passed.
    /// - Parameters:
    ///   - others: ids of those that are left out.
    ///   - holder: whose executions are left out too.
    public func overdue(
        except others: Set<String> = [], of holder: String? = nil, limit: Int = 100, in executor: some SQLExecutor
    ) async throws -> [StoredExecution] {
        var left: SQL = ""
        if !others.isEmpty { left = "AND id NOT IN (\(others.map { "\($0)" as SQL }.joined(by: ", ")))" }
        if let holder { left = "\(left) AND COALESCE(lease_holder, '') <> \(holder)" }
        // Two questions, for one index each.
        let leases = try await executor.query(
            """
            SELECT \(StoredExecution.columns) FROM executions
            WHERE lease_holder IS NOT NULL AND lease_expires_at <= \(.now) \(left)
            ORDER BY lease_expires_at LIMIT \(limit)
            """)
        let deadlines = try await executor.query(
            """
            SELECT \(StoredExecution.columns) FROM executions
            WHERE finished_at IS NULL AND deadline <= \(.now) \(left) ORDER BY deadline LIMIT \(limit)
            """)
        var known: Set<String> = []
        return try (leases + deadlines).map(StoredExecution.init).filter { known.insert($0.id).inserted }
    }

    /// Ends an execution that is overdue. Whoever held its lease has lost it; it is never queued again.
    /// - Parameters:
    ///   - execution: as ``overdue(except:of:limit:in:)`` gave it.
    ///   - state: an end.
    ///   - ending: JSON.
    /// - Returns: false when it is overdue no more: it has ended, its holder has come back, or somebody has claimed it.
    public func endOverdue(
        _ execution: StoredExecution, as state: ExecutionState, ending: String, in transaction: Transaction
    ) async throws -> Bool {
        precondition(state.isEnd, "an execution ends in an end, and not as \(state)")
        let changed = try await transaction.execute(
            """
            UPDATE executions SET state = \(state), ending = \(ending), finished_at = \(.now),
                lease_holder = NULL, lease_expires_at = NULL
            WHERE id = \(execution.id) AND fence = \(execution.fence) AND state = \(execution.state)
                AND (deadline <= \(.now) OR lease_expires_at <= \(.now))
            """)
        guard changed == 1 else { return false }
        try transaction.announce(Self.changed, execution.id)
        return true
    }
}
