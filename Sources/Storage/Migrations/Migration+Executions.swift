extension Migration {
    /// Executions, who runs each, and what it used.
    static let executions = Migration(
        1, "executions",
        [
            """
            CREATE TABLE executions (
                id \(.text) NOT NULL PRIMARY KEY,
                user_id \(.text) NOT NULL,
                agent_id \(.text),
                state \(.text) NOT NULL CHECK (state IN (
                    'queued', 'starting', 'running', 'stopping',
                    'succeeded', 'failed', 'canceled', 'timed_out', 'lost')),
                priority BIGINT NOT NULL,
                turn BIGINT NOT NULL,
                request \(.text) NOT NULL,
                launch \(.text),
                ending \(.text),
                created_at BIGINT NOT NULL,
                claimed_at BIGINT,
                started_at BIGINT,
                stopping_at BIGINT,
                finished_at BIGINT,
                log_slot BIGINT,
                deadline BIGINT NOT NULL,
                cancel_requested_at BIGINT,
                cancel_grace_ms BIGINT,
                cancel_reason \(.text),
                fence BIGINT NOT NULL DEFAULT 0,
                lease_holder \(.text),
                lease_expires_at BIGINT,
                CHECK ((lease_holder IS NULL) = (lease_expires_at IS NULL)),
                CHECK ((lease_holder IS NOT NULL) = (state IN ('starting', 'running', 'stopping'))),
                CHECK ((finished_at IS NULL) = (state IN ('queued', 'starting', 'running', 'stopping'))),
                CHECK ((finished_at IS NULL) = (ending IS NULL))
            )
            """,
            // What waits: as large as the queue, not as the history.
            """
            CREATE INDEX executions_queue ON executions (priority DESC, turn, created_at, id) WHERE state = 'queued'
            """,
            """
            CREATE INDEX executions_queue_by_user ON executions (user_id, priority, turn) WHERE state = 'queued'
            """,
            // The last turns that were served, of all and of each user.
            """
            CREATE INDEX executions_served ON executions (priority, turn) WHERE fence > 0
            """,
            """
            CREATE INDEX executions_served_by_user ON executions (user_id, priority, turn) WHERE fence > 0
            """,
            // What may be overdue.
            """
            CREATE INDEX executions_leases ON executions (lease_expires_at) WHERE lease_holder IS NOT NULL
            """,
            """
            CREATE INDEX executions_deadlines ON executions (deadline) WHERE finished_at IS NULL
            """,
            """
            CREATE TABLE execution_usage (
                execution_id \(.text) NOT NULL PRIMARY KEY REFERENCES executions (id) ON DELETE CASCADE,
                wall_ms BIGINT NOT NULL,
                cpu_ms BIGINT NOT NULL,
                max_memory_bytes BIGINT NOT NULL,
                log_bytes BIGINT NOT NULL,
                egress_bytes BIGINT NOT NULL
            )
            """,
            // Sealed, and removed with the end.
            """
            CREATE TABLE execution_secrets (
                execution_id \(.text) NOT NULL PRIMARY KEY REFERENCES executions (id) ON DELETE CASCADE,
                sealed \(.bytes) NOT NULL
            )
            """,
            """
            CREATE TABLE execution_receipts (
                execution_id \(.text) NOT NULL PRIMARY KEY REFERENCES executions (id) ON DELETE CASCADE,
                receipt \(.text) NOT NULL
            )
            """,
            // Not signed yet.
            """
            CREATE TABLE receipts_due (
                execution_id \(.text) NOT NULL PRIMARY KEY REFERENCES executions (id) ON DELETE CASCADE,
                draft \(.text) NOT NULL
            )
            """,
        ])
}
