extension Migration {
    /// Users, agents, rights, money, and what is counted of each user.
    static let entitlements = Migration(4, "entitlements", settingsTables + userTables + agentTables + moneyTables)

    private static let settingsTables: [SQL] = [
        // One row: what holds for everybody. Rates are millionths of a cent.
        """
        CREATE TABLE settings (
            id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
            paused_at BIGINT,
            paused_by \(.text),
            pause_reason \(.text),
            cpu_second_rate BIGINT NOT NULL DEFAULT 0 CHECK (cpu_second_rate >= 0),
            gib_second_rate BIGINT NOT NULL DEFAULT 0 CHECK (gib_second_rate >= 0),
            egress_gib_rate BIGINT NOT NULL DEFAULT 0 CHECK (egress_gib_rate >= 0),
            breaker_opened_at BIGINT,
            breaker_reason \(.text),
            breaker_probe \(.text),
            breaker_probe_at BIGINT
        )
        """,
        "INSERT INTO settings (id) VALUES (1)",
        """
        CREATE TABLE tiers (
            number BIGINT NOT NULL PRIMARY KEY CHECK (number >= 1),
            executions_per_day BIGINT NOT NULL CHECK (executions_per_day >= 0),
            executions_per_hour BIGINT NOT NULL CHECK (executions_per_hour >= 0),
            max_concurrent BIGINT NOT NULL CHECK (max_concurrent >= 0),
            priority BIGINT NOT NULL,
            runtime \(.text),
            max_limits \(.text) NOT NULL,
            max_hosts BIGINT NOT NULL CHECK (max_hosts >= 0)
        )
        """,
        """
        INSERT INTO tiers (number, executions_per_day, executions_per_hour, max_concurrent, priority, max_limits, max_hosts)
        VALUES
            (1, 5, 10, 5, 0, '{"cpuSeconds":600,"cpus":1,"graceSeconds":30,"logMiB":64,"memoryMiB":1024,"openFiles":4096,"outputKiB":4096,"pids":256,"timeoutSeconds":300,"tmpMiB":256}', 8),
            (2, 10, 10, 5, 10, '{"cpuSeconds":3600,"cpus":2,"graceSeconds":30,"logMiB":128,"memoryMiB":2048,"openFiles":8192,"outputKiB":8192,"pids":512,"timeoutSeconds":900,"tmpMiB":512}', 16),
            (3, 20, 10, 5, 20, '{"cpuSeconds":14400,"cpus":4,"graceSeconds":60,"logMiB":256,"memoryMiB":4096,"openFiles":16384,"outputKiB":16384,"pids":1024,"timeoutSeconds":3600,"tmpMiB":1024}', 32)
        """,
    ]

    private static let userTables: [SQL] = [
        """
        CREATE TABLE users (
            id \(.text) NOT NULL PRIMARY KEY,
            role \(.text) NOT NULL CHECK (role IN ('user', 'developer', 'admin')),
            name \(.text),
            wallet_address \(.text),
            tier BIGINT NOT NULL DEFAULT 1 REFERENCES tiers (number),
            suspended_at BIGINT,
            executions_per_hour BIGINT CHECK (executions_per_hour >= 0),
            executions_per_day BIGINT CHECK (executions_per_day >= 0),
            max_concurrent BIGINT CHECK (max_concurrent >= 0),
            created_at BIGINT NOT NULL
        )
        """,
        // One a user, locked by every decision: whatever is counted of the user is in it.
        """
        CREATE TABLE accounts (
            user_id \(.text) NOT NULL PRIMARY KEY REFERENCES users (id),
            balance_cents BIGINT NOT NULL DEFAULT 0,
            reserved_cents BIGINT NOT NULL DEFAULT 0 CHECK (reserved_cents >= 0),
            monthly_limit_cents BIGINT CHECK (monthly_limit_cents >= 0),
            month BIGINT NOT NULL DEFAULT 0,
            month_cents BIGINT NOT NULL DEFAULT 0,
            active BIGINT NOT NULL DEFAULT 0 CHECK (active >= 0),
            day BIGINT NOT NULL DEFAULT 0,
            day_used BIGINT NOT NULL DEFAULT 0 CHECK (day_used >= 0),
            hour_window \(.text) NOT NULL DEFAULT '',
            advance_left BIGINT NOT NULL DEFAULT 0 CHECK (advance_left >= 0),
            advance_until BIGINT
        )
        """,
        """
        CREATE TABLE api_keys (
            id \(.text) NOT NULL PRIMARY KEY,
            user_id \(.text) NOT NULL REFERENCES users (id),
            name \(.text) NOT NULL,
            prefix \(.text) NOT NULL UNIQUE,
            hash \(.bytes) NOT NULL,
            role \(.text) NOT NULL CHECK (role IN ('user', 'developer', 'admin')),
            scopes \(.text) NOT NULL,
            request_limit BIGINT CHECK (request_limit >= 0),
            created_at BIGINT NOT NULL,
            expires_at BIGINT,
            revoked_at BIGINT,
            last_used_at BIGINT
        )
        """,
        "CREATE INDEX api_keys_by_user ON api_keys (user_id, id)",
    ]

    private static let agentTables: [SQL] = [
        """
        CREATE TABLE agents (
            id \(.text) NOT NULL PRIMARY KEY,
            owner_id \(.text) NOT NULL REFERENCES users (id),
            name \(.text) NOT NULL,
            description \(.text) NOT NULL,
            category \(.text) NOT NULL,
            price \(.text) NOT NULL,
            price_token \(.text) NOT NULL,
            price_cents BIGINT NOT NULL CHECK (price_cents >= 0),
            is_active BOOLEAN NOT NULL,
            version BIGINT NOT NULL,
            max_concurrent BIGINT CHECK (max_concurrent >= 0),
            executions_per_hour BIGINT CHECK (executions_per_hour >= 0),
            created_at BIGINT NOT NULL,
            updated_at BIGINT NOT NULL,
            deleted_at BIGINT
        )
        """,
        "CREATE INDEX agents_listed ON agents (id) WHERE deleted_at IS NULL",
        """
        CREATE TABLE agent_versions (
            agent_id \(.text) NOT NULL REFERENCES agents (id),
            version BIGINT NOT NULL,
            docker_image \(.text) NOT NULL,
            image_digest \(.text) NOT NULL,
            input_schema \(.text),
            output_schema \(.text),
            limits \(.text) NOT NULL,
            hosts \(.text) NOT NULL,
            created_at BIGINT NOT NULL,
            PRIMARY KEY (agent_id, version)
        )
        """,
        """
        CREATE TABLE grants (
            user_id \(.text) NOT NULL REFERENCES users (id),
            agent_id \(.text) NOT NULL REFERENCES agents (id),
            source \(.text) NOT NULL CHECK (source IN ('admin', 'purchase', 'chain', 'developer', 'free')),
            created_at BIGINT NOT NULL,
            created_by \(.text) NOT NULL,
            expires_at BIGINT,
            uses_limit BIGINT CHECK (uses_limit >= 0),
            uses BIGINT NOT NULL DEFAULT 0 CHECK (uses >= 0),
            checked_at BIGINT,
            revoked_at BIGINT,
            PRIMARY KEY (user_id, agent_id, source)
        )
        """,
        "CREATE INDEX grants_by_agent ON grants (agent_id, user_id)",
        "CREATE INDEX executions_by_agent ON executions (agent_id, created_at)",
    ]

    private static let moneyTables: [SQL] = [
        // What was set aside for each execution when it was admitted, and what it came to.
        """
        CREATE TABLE reservations (
            execution_id \(.text) NOT NULL PRIMARY KEY,
            user_id \(.text) NOT NULL,
            agent_id \(.text) NOT NULL,
            agent_version BIGINT NOT NULL,
            admitted_at BIGINT NOT NULL,
            day BIGINT NOT NULL,
            is_advance BOOLEAN NOT NULL,
            grant_source \(.text),
            price_cents BIGINT NOT NULL,
            cpu_second_rate BIGINT NOT NULL,
            gib_second_rate BIGINT NOT NULL,
            egress_gib_rate BIGINT NOT NULL,
            estimate_cents BIGINT NOT NULL CHECK (estimate_cents >= 0),
            settled_at BIGINT,
            is_engine_failure BOOLEAN,
            charged_cents BIGINT CHECK (charged_cents BETWEEN 0 AND estimate_cents),
            refunded_cents BIGINT NOT NULL DEFAULT 0 CHECK (refunded_cents >= 0),
            CHECK ((settled_at IS NULL) = (charged_cents IS NULL)),
            CHECK (refunded_cents = 0 OR refunded_cents <= charged_cents)
        )
        """,
        // As large as what is under way.
        "CREATE INDEX reservations_open ON reservations (agent_id) WHERE settled_at IS NULL",
        "CREATE INDEX reservations_by_agent ON reservations (agent_id, admitted_at)",
        "CREATE INDEX reservations_settled ON reservations (settled_at) WHERE settled_at IS NOT NULL",
        // Entries of one transfer add up to nothing.
        """
        CREATE TABLE ledger (
            position \(.identity),
            transfer \(.text) NOT NULL,
            account \(.text) NOT NULL,
            cents BIGINT NOT NULL,
            kind \(.text) NOT NULL CHECK (kind IN ('deposit', 'adjustment', 'charge', 'refund')),
            execution_id \(.text),
            reference \(.text),
            recorded_at BIGINT NOT NULL,
            UNIQUE (transfer, account)
        )
        """,
        "CREATE INDEX ledger_by_account ON ledger (account, position)",
        """
        CREATE TABLE usage_records (
            user_id \(.text) NOT NULL,
            agent_id \(.text) NOT NULL,
            hour BIGINT NOT NULL,
            executions BIGINT NOT NULL,
            wall_ms BIGINT NOT NULL,
            cpu_ms BIGINT NOT NULL,
            memory_mib_ms BIGINT NOT NULL,
            egress_bytes BIGINT NOT NULL,
            charged_cents BIGINT NOT NULL,
            refunded_cents BIGINT NOT NULL,
            PRIMARY KEY (user_id, hour, agent_id)
        )
        """,
        "CREATE INDEX usage_records_by_agent ON usage_records (agent_id, hour)",
    ]
}
