import Logging
import Storage

/// Drops old logs in bulk, by age and by size.
///
/// Logs are in slots: all executions that begin while a slot is open have their logs in it. It is closed when it is old or
/// large enough, the next one is opened, and the oldest are emptied as a whole: on PostgreSQL each is a table that is
/// truncated; on SQLite a few hundred rows at a time, so that nobody waits long.
public struct LogRetention: Sendable {
    /// What is kept.
    public struct Limits: Sendable, Equatable {
        /// Logs of executions that began longer ago are dropped, up to an eighth of it later.
        public var age: Duration = .seconds(30 * 86_400)
        /// When all logs together have more bytes, about, the oldest eighth is dropped.
        public var bytes: Int64 = 20 << 30

        public init() {}
    }

    /// In `log_slots`.
    static let slots: Int64 = 16
    /// Parts of ``Limits`` that one slot holds.
    private static let parts: Int64 = 8
    private struct Slot {
        let number: Int64
        let opening: Int64
        let openedAt: Int64
        let bytes: Int64

        init(_ row: Row) throws {
            number = try row["slot"]
            opening = try row["opening"]
            openedAt = try row["opened_at"]
            bytes = try row["bytes"]
        }
    }

    let repository: LogRepository
    let limits: Limits

    private var database: Database { repository.database }

    /// Writes down what was stored, opens the next slot when it is time, and empties what is too old or too much.
    /// - Returns: how many slots were emptied.
    @discardableResult
    func run() async throws -> Int {
        try await writeDownBytes()
        try await openNext()
        var emptied = 0
        while let slot = try await tooMuch() {
            try await database.dropLogSlot(slot.number, opening: slot.opening)
            emptied += 1
        }
        return emptied
    }

    private func writeDownBytes() async throws {
        let stored = repository.takeStoredBytes()
        do {
            try await database.transaction(isolation: .readCommitted) { transaction in
                for (slot, bytes) in stored {
                    try await transaction.execute(
                        "UPDATE log_slots SET bytes = bytes + \(bytes) WHERE slot = \(slot)")
                }
            }
        } catch {
            repository.giveBackStoredBytes(stored)
            throw error
        }
    }

    /// The open one is the one that was opened last. A number is free when it is not in the table.
    private func openNext() async throws {
        try await database.transaction(isolation: .readCommitted) { transaction in
            let slots = try await transaction.query(
                "SELECT slot, opening, opened_at, bytes FROM log_slots ORDER BY opening DESC \(.forUpdate)"
            ).map(Slot.init)
            guard let open = slots.first, slots.count < Self.slots else { return }
            let used = Set(slots.map(\.number))
            guard let next = (0..<Self.slots).first(where: { !used.contains($0) }) else { return }
            try await transaction.execute(
                """
                INSERT INTO log_slots (slot, opening, opened_at, bytes)
                SELECT \(next), \(open.opening + 1), \(.now), 0 FROM log_slots
                WHERE slot = \(open.number)
                    AND (opened_at + \(limits.age.wholeMilliseconds / Self.parts) <= \(.now)
                        OR bytes >= \(limits.bytes / Self.parts))
                ON CONFLICT (opening) DO NOTHING
                """)
        }
    }

    /// The oldest slot, when it is closed, nobody writes into it, and it is too old or there is too much in all.
    private func tooMuch() async throws -> Slot? {
        try await database.query(
            """
            SELECT slot, opening, opened_at, bytes FROM log_slots AS oldest
            WHERE opening = (SELECT MIN(opening) FROM log_slots)
                AND EXISTS (
                    SELECT 1 FROM log_slots AS next WHERE next.opening = oldest.opening + 1
                        AND (next.opened_at + \(limits.age.wholeMilliseconds) <= \(.now)
                            OR (SELECT SUM(bytes) FROM log_slots) > \(limits.bytes)))
                AND NOT EXISTS (SELECT 1 FROM executions WHERE finished_at IS NULL AND log_slot = oldest.slot)
            """
        ).first.map(Slot.init)
    }
}
