public import Foundation

/// Executions as they are listed: the newest first.
public struct ExecutionList: Sendable {
    /// What is asked for; nil and empty for all.
    public struct Filter: Sendable {
        public var userID: String?
        public var agentID: String?
        public var states: [ExecutionState] = []
        /// All of them must match.
        public var labels: [String: String] = [:]

        public init() {}
    }

    public init() {}

    /// A page of them. Pages that follow one another give none twice, and leave none out that was there at the first.
    /// - Parameters:
    ///   - cursor: the id of the last one of the page before.
    ///   - limit: 1 to 100.
    ///   - bytes: of their requests and endings, about: a page ends there, and has one execution at least.
    public func page(
        _ filter: Filter, after cursor: String?, limit: Int, bytes: Int, in executor: some SQLExecutor
    ) async throws -> (executions: [StoredExecution], hasMore: Bool) {
        var conditions: [SQL] = []
        if let cursor { conditions.append("id < \(cursor)") }
        if let userID = filter.userID { conditions.append("user_id = \(userID)") }
        if let agentID = filter.agentID { conditions.append("agent_id = \(agentID)") }
        if !filter.states.isEmpty {
            let states: [SQL] = filter.states.map { "\($0)" }
            conditions.append("state IN (\(states.joined(by: ", ")))")
        }
        for (name, value) in filter.labels.sorted(by: { $0.key < $1.key }) {
            conditions.append(
                """
                EXISTS (SELECT 1 FROM execution_labels AS label
                    WHERE label.name = \(name) AND label.value = \(value) AND label.execution_id = executions.id)
                """)
        }
        let all: SQL = conditions.isEmpty ? "" : "WHERE \(conditions.joined(by: " AND "))"
        var (found, size) = ([StoredExecution](), 0)
        do {
            let sql: SQL =
                "SELECT \(StoredExecution.columns) FROM executions \(all) ORDER BY id DESC LIMIT \(limit + 1)"
            try await executor.forEach(sql) { row in
                guard found.count < limit, size < bytes else { throw Full() }
                let execution = try StoredExecution(row)
                size += execution.request.utf8.count + (execution.ending?.utf8.count ?? 0)
                found.append(execution)
            }
        } catch is Full {
            return (found, true)
        }
        return (found, false)
    }

    /// There is more than a page holds.
    private struct Full: Error {}

    /// What changes are seen by, of those with these ids, in no order.
    public func marks(_ ids: [String], in executor: some SQLExecutor) async throws -> [ExecutionMark] {
        guard !ids.isEmpty else { return [] }
        let all: [SQL] = ids.map { "\($0)" }
        return try await executor.query(
            "SELECT id, state, fence, stopping_at FROM executions WHERE id IN (\(all.joined(by: ", ")))"
        ).map { row in
            ExecutionMark(
                id: try row["id"], state: try row["state"], fence: try row["fence"],
                stoppingAt: try row["stopping_at"])
        }
    }

    /// Those with these ids, in no order.
    public func find(_ ids: [String], in executor: some SQLExecutor) async throws -> [StoredExecution] {
        guard !ids.isEmpty else { return [] }
        let all: [SQL] = ids.map { "\($0)" }
        return try await executor.query(
            "SELECT \(StoredExecution.columns) FROM executions WHERE id IN (\(all.joined(by: ", ")))"
        ).map(StoredExecution.init)
    }

    /// Notes an execution's labels. Part of the transaction that submits it.
    public func label(_ id: String, _ labels: [String: String], in transaction: Transaction) async throws {
        guard !labels.isEmpty else { return }
        let rows: [SQL] = labels.sorted { $0.key < $1.key }.map { "(\($0.key), \($0.value), \(id))" }
        try await transaction.execute(
            """
            INSERT INTO execution_labels (name, value, execution_id) VALUES \(rows.joined(by: ", "))
            ON CONFLICT DO NOTHING
            """)
    }

    /// When the agent's last execution was submitted; nil when there is none.
    public func lastSubmission(agentID: String, in executor: some SQLExecutor) async throws -> Date? {
        try await executor.query(
            "SELECT created_at FROM executions WHERE agent_id = \(agentID) ORDER BY created_at DESC LIMIT 1"
        ).first.map { try $0["created_at"] }
    }
}
