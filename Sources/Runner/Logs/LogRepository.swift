import Foundation
import NIOConcurrencyHelpers
public import Storage

/// Logs in the database.
public final class LogRepository: Sendable {
    /// Bytes that are read at once, about.
    private static let readSize: Int64 = 256 << 10
    /// What a follower hears of: an execution's id.
    static let stored: StaticString = "paddock_logs"

    let database: Database
    /// By slot, what was stored since ``takeStoredBytes()``.
    private let storedBytes = NIOLockedValueBox<[Int64: Int64]>([:])

    public init(_ database: Database) { self.database = database }

    // MARK: Writing

    /// Stores batches of several logs in one transaction. One that is there already is left as it is.
    /// - Returns: those whose lease is lost; nothing of theirs is stored.
    /// - Throws: `DatabaseError`; nothing is stored then, but with code `commit_unknown`.
    func append(_ batches: [(lease: ExecutionQueue.Lease, batch: LogBatch)]) async throws -> [ExecutionQueue.Lease] {
        let (lost, bytes) = try await database.transaction(isolation: .readCommitted) { transaction in
            var lost: [ExecutionQueue.Lease] = []
            var bytes: [Int64: Int64] = [:]
            // In one order for all who lock several executions.
            for (lease, batch) in batches.sorted(by: { $0.lease.executionID < $1.lease.executionID }) {
                if let slot = try await append(batch, lease, transaction) {
                    bytes[slot, default: 0] += batch.bytes
                } else {
                    lost.append(lease)
                }
            }
            for id in Set(batches.map(\.lease.executionID)) { try transaction.announce(Self.stored, id) }
            return (lost, bytes)
        }
        storedBytes.withLockedValue { $0.merge(bytes) { $0 + $1 } }
        return lost
    }

    /// Who ends the execution in its holder's place waits until this transaction has ended, and comes after its batches.
    /// - Returns: its slot; nil when the lease is lost.
    private func append(
        _ batch: LogBatch, _ lease: ExecutionQueue.Lease, _ transaction: Transaction
    ) async throws -> Int64? {
        let id = lease.executionID
        let position = batch.position
        let stored = try await transaction.query(
            """
            INSERT INTO log_batches (
                slot, execution_id, first_offset, end_offset, first_sequence, next_sequence, stdout_bytes, stderr_bytes,
                records, stored_at)
            SELECT log_slot, id, \(batch.firstOffset), \(position.offset), \(batch.firstSequence),
                \(position.nextSequence), \(position.stdoutBytes), \(position.stderrBytes), \(batch.encoded), \(.now)
            FROM executions WHERE id = \(id) AND lease_holder = \(lease.holder) AND fence = \(lease.fence) \(.forShare)
            ON CONFLICT (slot, execution_id, first_offset) DO NOTHING
            RETURNING slot
            """)
        if let row = stored.first { return try row["slot"] }
        // A commit whose answer was lost.
        return try await transaction.query(
            """
            SELECT slot FROM log_batches
            WHERE \(Self.isLog(id)) AND first_offset = \(batch.firstOffset) AND end_offset = \(position.offset)
            """
        ).first.map { try $0["slot"] }
    }

    /// What was stored since the last call, by slot: bytes.
    func takeStoredBytes() -> [Int64: Int64] {
        storedBytes.withLockedValue { bytes in
            defer { bytes = [:] }
            return bytes
        }
    }

    /// Of those that could not be written down after all.
    func giveBackStoredBytes(_ taken: [Int64: Int64]) {
        storedBytes.withLockedValue { $0.merge(taken) { $0 + $1 } }
    }

    // MARK: Reading

    /// Where the stored log ends.
    public func position(of execution: ExecutionID) async throws -> LogPosition {
        try await database.query(Self.lastPosition(of: execution)).first.map(LogPosition.init) ?? LogPosition()
    }

    /// Where the log ends, for whoever goes on with it: the last batch of a node that died may still be under way.
    func settledPosition(of execution: ExecutionID) async throws -> LogPosition {
        let rows = try await database.transaction(isolation: .readCommitted) { transaction in
            // That batch holds this row until it is stored or not.
            try transaction.executeLater(
                "SELECT id FROM executions WHERE id = \(execution.description) \(.forUpdate)")
            return try await transaction.query(Self.lastPosition(of: execution))
        }
        return try rows.first.map(LogPosition.init) ?? LogPosition()
    }

    private static func lastPosition(of execution: ExecutionID) -> SQL {
        """
        SELECT end_offset, next_sequence, stdout_bytes, stderr_bytes FROM log_batches
        WHERE \(isLog(execution.description)) ORDER BY first_offset DESC LIMIT 1
        """
    }

    /// The records from the offset on, about 256 KiB of them; what is missing before or between them is a gap.
    /// - Returns: none when nothing is stored behind the offset.
    func records(of execution: ExecutionID, from offset: Int64) async throws -> [LogRecord] {
        var records: [LogRecord] = []
        var end = offset
        for record in try await batches(of: execution, from: offset).lazy.flatMap(\.records) {
            // A batch can be larger. What a reader that does not read holds is no more than this.
            guard end - offset < Self.readSize || records.isEmpty else { break }
            if record.offset > end {
                records.append(.gap(from: end, to: record.offset, sequence: record.sequence - 1, time: record.time))
                end = record.offset
            }
            guard let rest = record.from(end) else { continue }
            records.append(rest)
            end = rest.end
        }
        return records
    }

    /// The batches that hold the offset and what comes behind it, about 256 KiB of them.
    func batches(of execution: ExecutionID, from offset: Int64) async throws -> [LogBatch] {
        let id = execution.description
        return try await database.query(
            """
            SELECT first_offset, end_offset, first_sequence, next_sequence, stdout_bytes, stderr_bytes, records
            FROM log_batches
            WHERE \(Self.isLog(id)) AND end_offset > \(offset)
                AND first_offset >= COALESCE((
                    SELECT MAX(first_offset) FROM log_batches
                    WHERE \(Self.isLog(id)) AND first_offset <= \(offset)), 0)
                AND first_offset < COALESCE((
                    SELECT MIN(first_offset) FROM log_batches
                    WHERE \(Self.isLog(id)) AND first_offset > \(offset)), \(offset)) + \(Self.readSize)
            ORDER BY first_offset LIMIT 256
            """
        ).map { row in
            LogBatch(
                try LogBatch.decode(row["records"], offset: row["first_offset"], sequence: row["first_sequence"]),
                before: try LogPosition(row))
        }
    }

    /// Whether nobody will write more of it.
    func hasEnded(_ execution: ExecutionID) async throws -> Bool {
        let row = try await database.query(
            "SELECT finished_at FROM executions WHERE id = \(execution.description)"
        ).first
        guard let row else { return true }
        let finishedAt: Int64? = try row["finished_at"]
        return finishedAt != nil
    }

    /// What of an execution that has ended is not stored behind the offset: it was too old to be kept, or was lost.
    func missing(of execution: ExecutionID, from offset: Int64) async throws -> LogRecord? {
        let row = try await database.query(
            "SELECT log_bytes FROM execution_usage WHERE execution_id = \(execution.description)"
        ).first
        guard let row, case let end:Int64 = try row["log_bytes"], end > offset else { return nil }
        return .gap(from: offset, to: end, sequence: 0, time: Date())
    }

    private static func isLog(_ id: String) -> SQL {
        "slot = (SELECT log_slot FROM executions WHERE id = \(id)) AND execution_id = \(id)"
    }
}

extension LogPosition {
    /// Behind a stored batch.
    fileprivate init(_ row: Row) throws {
        self.init()
        offset = try row["end_offset"]
        nextSequence = try row["next_sequence"]
        stdoutBytes = try row["stdout_bytes"]
        stderrBytes = try row["stderr_bytes"]
    }
}
