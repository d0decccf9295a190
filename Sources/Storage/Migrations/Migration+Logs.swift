extension Migration {
    /// Logs: records in batches, found by the absolute offset of their first byte. Each execution's are in one slot, and
    /// a slot is emptied as a whole; on PostgreSQL each is a table of its own.
    static let logs = Migration(
        2, "logs",
        [
            """
            CREATE TABLE log_slots (
                slot BIGINT NOT NULL PRIMARY KEY CHECK (slot BETWEEN 0 AND 15),
                opening BIGINT NOT NULL UNIQUE,
                opened_at BIGINT NOT NULL,
                bytes BIGINT NOT NULL
            )
            """,
            """
            INSERT INTO log_slots (slot, opening, opened_at, bytes) VALUES (0, 1, \(.now), 0)
            """,
            """
            CREATE TABLE log_batches (
                slot BIGINT NOT NULL,
                execution_id \(.text) NOT NULL,
                first_offset BIGINT NOT NULL,
                end_offset BIGINT NOT NULL,
                first_sequence BIGINT NOT NULL,
                next_sequence BIGINT NOT NULL,
                stdout_bytes BIGINT NOT NULL,
                stderr_bytes BIGINT NOT NULL,
                records \(.bytes) NOT NULL,
                stored_at BIGINT NOT NULL,
                PRIMARY KEY (slot, execution_id, first_offset),
                CHECK (first_offset >= 0 AND end_offset >= first_offset)
            ) \(.partitionedBySlot)
            """,
        ],
        onPostgres: [
            """
            DO $$ BEGIN
                FOR slot IN 0..15 LOOP
                    EXECUTE format('CREATE TABLE log_batches_%s PARTITION OF log_batches FOR VALUES IN (%s)', slot, slot);
                END LOOP;
            END $$
            """,
            """
            CREATE FUNCTION empty_log_slot(slot BIGINT) RETURNS VOID LANGUAGE plpgsql AS $$ BEGIN
                EXECUTE format('TRUNCATE log_batches_%s', slot);
            END $$
            """,
        ])
}
