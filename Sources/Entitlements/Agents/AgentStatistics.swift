public import Foundation
public import Storage

/// How an agent does: `GET /agents/{id}/stats`.
public struct AgentStatistics: Sendable, Equatable, Codable {
    /// The middle, and what 95 of 100 stay below.
    public struct Percentiles: Sendable, Equatable, Codable {
        public let p50: Int
        public let p95: Int
    }

    public let agentId: String
    /// nil for all time.
    public let since: Date?
    /// How many are in each status that occurs.
    public let executions: [String: Int]
    /// Succeeded, of those that have ended; nil when none has.
    public let successRate: Double?
    /// nil when nothing has run.
    public let wallMs: Percentiles?
    /// nil when nothing has run.
    public let memoryBytes: Percentiles?
    /// Prices paid for it, refunds taken off. Without what compute cost.
    public let revenueCents: Int
}

extension AgentRepository {
    /// - Parameters:
    ///   - since: only executions that were made from then on; nil for all.
    public func statistics(
        of id: String, since: Date? = nil, in executor: some SQLExecutor
    ) async throws -> AgentStatistics {
        let from = since ?? Date(timeIntervalSince1970: 0)
        let rows = try await executor.query(
            """
            SELECT state, count(*) AS number FROM executions WHERE agent_id = \(id) AND created_at >= \(from)
            GROUP BY state
            """)
        var executions: [String: Int] = [:]
        for row in rows { executions[try row["state"]] = try row["number"] }
        let ends = ExecutionState.allCases.filter(\.isEnd).map { executions[$0.rawValue] ?? 0 }.reduce(0, +)
        let succeeded = executions[ExecutionState.succeeded.rawValue] ?? 0
        let revenue = try await executor.query(
            """
            SELECT CAST(coalesce(sum(cents), 0) AS BIGINT) AS total FROM ledger
            WHERE account = \(Ledger.agent(id)) AND recorded_at >= \(from)
            """)
        return AgentStatistics(
            agentId: id, since: since, executions: executions,
            successRate: ends == 0 ? nil : Double(succeeded) / Double(ends),
            wallMs: try await percentiles("wall_ms", of: id, from, in: executor),
            memoryBytes: try await percentiles("max_memory_bytes", of: id, from, in: executor),
            revenueCents: try revenue.first?["total"] ?? 0)
    }

    /// The nearest rank: of n values the one at n × share, rounded up.
    private func percentiles(
        _ column: SQL, of id: String, _ from: Date, in executor: some SQLExecutor
    ) async throws -> AgentStatistics.Percentiles? {
        let rows = try await executor.query(
            """
            WITH ranked AS (
                SELECT \(column) AS value, row_number() OVER (ORDER BY \(column)) AS place, count(*) OVER () AS total
                FROM executions JOIN execution_usage ON execution_usage.execution_id = executions.id
                WHERE agent_id = \(id) AND created_at >= \(from) AND started_at IS NOT NULL)
            SELECT value FROM ranked WHERE place IN ((total * 50 + 99) / 100, (total * 95 + 99) / 100) ORDER BY place
            """)
        guard let first = rows.first, let last = rows.last else { return nil }
        return .init(p50: try first["value"], p95: try last["value"])
    }
}
