extension Database {
    /// Rows that are deleted at once on SQLite: others wait for so many.
    private static let rows = 200

    /// Drops all logs of a slot, and frees its number: as a whole on PostgreSQL, some rows at a time on SQLite.
    /// - Parameter opening: which one it is of those that have had this number. Another node may have been faster.
    /// - Throws: ``DatabaseError``, `CancellationError`; then some may be left.
    public func dropLogSlot(_ slot: Int64, opening: Int64) async throws {
        let isSlot: SQL = "slot = \(slot) AND opening = \(opening)"
        switch driver.dialect {
        case .postgres:
            try await transaction(isolation: .readCommitted) { transaction in
                let found = try await transaction.query("SELECT slot FROM log_slots WHERE \(isSlot) FOR UPDATE")
                guard !found.isEmpty else { return }
                // Readers wait behind whoever waits for them: not for long. The next look tries again.
                _ = try await transaction.query("SELECT set_config('lock_timeout', '1000', true) AS limited")
                _ = try await transaction.query("SELECT empty_log_slot(\(slot)) AS nothing")
                try await transaction.execute("DELETE FROM log_slots WHERE \(isSlot)")
            }
        case .sqlite:
            while try await execute(
                """
                DELETE FROM log_batches WHERE rowid IN (
                    SELECT rowid FROM log_batches
                    WHERE slot = \(slot) AND EXISTS (SELECT 1 FROM log_slots WHERE \(isSlot)) LIMIT \(Self.rows))
                """) > 0
            {}
            try await execute("DELETE FROM log_slots WHERE \(isSlot)")
        }
    }
}
