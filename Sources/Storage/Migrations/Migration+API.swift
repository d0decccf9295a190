extension Migration {
    /// What the HTTP API keeps of executions: labels, keys of idempotent requests, tokens of logs, and what lists need.
    static let api = Migration(
        5, "api",
        [
            """
            CREATE TABLE execution_labels (
                name \(.text) NOT NULL,
                value \(.text) NOT NULL,
                execution_id \(.text) NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
                PRIMARY KEY (name, value, execution_id)
            )
            """,
            "CREATE INDEX execution_labels_by_execution ON execution_labels (execution_id)",
            """
            CREATE TABLE idempotency_keys (
                user_id \(.text) NOT NULL,
                idempotency_key \(.text) NOT NULL,
                fingerprint \(.bytes) NOT NULL,
                execution_id \(.text) NOT NULL,
                created_at BIGINT NOT NULL,
                PRIMARY KEY (user_id, idempotency_key)
            )
            """,
            "CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at)",
            """
            CREATE TABLE log_tokens (
                hash \(.bytes) NOT NULL PRIMARY KEY,
                execution_id \(.text) NOT NULL,
                user_id \(.text) NOT NULL,
                expires_at BIGINT NOT NULL
            )
            """,
            "CREATE INDEX log_tokens_by_expiry ON log_tokens (expires_at)",
            // Ids sort by time: the newest of a user are the last of this.
            "CREATE INDEX executions_by_user ON executions (user_id, id)",
            "CREATE INDEX executions_by_state ON executions (state, id)",
        ])
}
