extension ExecutionQueue {
    /// What waits.
    public struct Load: Sendable {
        public var depth: Int
        /// How long the oldest has waited.
        public var oldest: Duration
    }

    /// How many executions wait, and for how long.
    public func load(in executor: some SQLExecutor) async throws -> Load {
        let rows = try await executor.query(
            """
            SELECT count(*) AS depth, COALESCE(\(.now) - min(created_at), 0) AS oldest FROM executions
            WHERE state = 'queued'
            """)
        guard let row = rows.first else { return Load(depth: 0, oldest: .zero) }
        let milliseconds: Int64 = try row["oldest"]
        return Load(depth: try row["depth"], oldest: .milliseconds(max(0, milliseconds)))
    }
}
