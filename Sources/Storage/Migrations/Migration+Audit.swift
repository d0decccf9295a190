extension Migration {
    /// The audit trail: each entry's hash covers the one before it.
    static let audit = Migration(
        3, "audit",
        [
            """
            CREATE TABLE audit (
                position BIGINT NOT NULL PRIMARY KEY,
                recorded_at BIGINT NOT NULL,
                actor \(.text) NOT NULL,
                action \(.text) NOT NULL,
                subject \(.text) NOT NULL,
                detail \(.text) NOT NULL,
                previous_hash \(.bytes) NOT NULL,
                hash \(.bytes) NOT NULL
            )
            """,
            """
            CREATE INDEX audit_by_subject ON audit (subject, position)
            """,
        ])
}
