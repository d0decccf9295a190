extension Migration {
    /// The audit trail: each entry's hash covers the one before it. What was written down and is not chained yet waits.
    static let audit = Migration(
        3, "audit",
        [
            """
            CREATE TABLE audit_pending (
                id \(.identity),
                recorded_at BIGINT NOT NULL,
                actor \(.text) NOT NULL,
                action \(.text) NOT NULL,
                subject \(.text) NOT NULL,
                detail \(.text) NOT NULL
            )
            """,
            """
            CREATE TABLE audit (
                sequence BIGINT NOT NULL PRIMARY KEY,
                recorded_at BIGINT NOT NULL,
                actor \(.text) NOT NULL,
                action \(.text) NOT NULL,
                subject \(.text) NOT NULL,
                detail \(.text) NOT NULL,
                previous_hash \(.text) NOT NULL,
                hash \(.text) NOT NULL
            )
            """,
            """
            CREATE INDEX audit_by_subject ON audit (subject, sequence)
            """,
            // The last entry, apart from the trail: one that is cut off at its end is found out too.
            """
            CREATE TABLE audit_head (
                id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
                sequence BIGINT NOT NULL,
                hash \(.text) NOT NULL
            )
            """,
        ])
}
