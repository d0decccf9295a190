extension Migration {
    /// Webhooks: what is to be told to whom at an execution's end, each attempt at it, and the key that signs.
    static let webhooks = Migration(
        6, "webhooks",
        [
            """
            CREATE TABLE webhook_deliveries (
                id \(.text) NOT NULL PRIMARY KEY,
                execution_id \(.text) NOT NULL UNIQUE REFERENCES executions (id) ON DELETE CASCADE,
                user_id \(.text) NOT NULL,
                url \(.text) NOT NULL,
                trace \(.text),
                state \(.text) NOT NULL CHECK (state IN ('waiting', 'pending', 'delivered', 'failed')),
                attempts BIGINT NOT NULL DEFAULT 0,
                next_attempt_at BIGINT,
                created_at BIGINT NOT NULL,
                finished_at BIGINT,
                CHECK ((next_attempt_at IS NOT NULL) = (state = 'pending')),
                CHECK ((finished_at IS NOT NULL) = (state IN ('delivered', 'failed')))
            )
            """,
            // With the user: those of whom much is sent already are passed over.
            """
            CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at, user_id)
                WHERE state = 'pending'
            """,
            """
            CREATE TABLE webhook_attempts (
                delivery_id \(.text) NOT NULL REFERENCES webhook_deliveries (id) ON DELETE CASCADE,
                number BIGINT NOT NULL,
                attempted_at BIGINT NOT NULL,
                duration_ms BIGINT NOT NULL,
                address \(.text),
                status BIGINT,
                failure \(.text),
                PRIMARY KEY (delivery_id, number)
            )
            """,
            // One row; each user's secret is derived from it. The one before signs too, for a while.
            """
            CREATE TABLE webhook_keys (
                id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
                secret \(.bytes) NOT NULL,
                created_at BIGINT NOT NULL,
                previous \(.bytes),
                previous_until BIGINT,
                CHECK ((previous IS NULL) = (previous_until IS NULL))
            )
            """,
        ])
}
