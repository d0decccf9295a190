extension Migration {
    /// Logs: records in batches, found by the absolute offset of their first byte.
    static let logs = Migration(
        2, "logs",
        [
            """
            CREATE TABLE log_batches (
                execution_id \(.text) NOT NULL,
                first_offset BIGINT NOT NULL,
                end_offset BIGINT NOT NULL,
                first_sequence BIGINT NOT NULL,
                next_sequence BIGINT NOT NULL,
                stdout_bytes BIGINT NOT NULL,
                stderr_bytes BIGINT NOT NULL,
                records \(.bytes) NOT NULL,
                stored_at BIGINT NOT NULL,
                PRIMARY KEY (execution_id, first_offset),
                CHECK (first_offset >= 0 AND end_offset >= first_offset)
            )
            """
        ])
}
