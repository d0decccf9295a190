import Foundation
public import Storage

/// Logs in the database.
public struct LogRepository: Sendable {
    /// Bytes that are read at once, about.
    private static let readSize = 1 << 20

    private let database: Database

    public init(_ database: Database) { self.database = database }

    /// Stores batches of several logs in one transaction. One that is there already is left as it is.
    /// - Returns: those whose lease is lost; nothing of theirs is stored.
    /// - Throws: `DatabaseError`; nothing is stored then, but with code `commit_unknown`.
    func append(_ batches: [(lease: ExecutionQueue.Lease, batch: LogBatch)]) async throws -> [ExecutionQueue.Lease] {
        try await database.transaction { transaction in
            var lost: [ExecutionQueue.Lease] = []
            for (lease, batch) in batches where try await !append(batch, lease, transaction) { lost.append(lease) }
            return lost
        }
    }

    private func append(
        _ batch: LogBatch, _ lease: ExecutionQueue.Lease, _ transaction: Transaction
    ) async throws -> Bool {
        let id = lease.executionID
        let position = batch.position
        let changes = try await transaction.execute(
            """
            INSERT INTO log_batches (
                execution_id, first_offset, end_offset, first_sequence, next_sequence, stdout_bytes, stderr_bytes,
                records, stored_at)
            SELECT \(id), \(batch.firstOffset), \(position.offset), \(batch.firstSequence), \(position.nextSequence),
                \(position.stdoutBytes), \(position.stderrBytes), \(batch.encoded), \(Date())
            WHERE EXISTS (
                SELECT 1 FROM executions
                WHERE id = \(id) AND lease_holder = \(lease.holder) AND fence = \(lease.fence))
            ON CONFLICT (execution_id, first_offset) DO NOTHING
            """)
        if changes > 0 {
            try await transaction.notify("paddock_logs", "\(id) \(position.offset)")
            return true
        }
        // A commit whose answer was lost.
        let same = try await transaction.query(
            """
            SELECT end_offset FROM log_batches
            WHERE execution_id = \(id) AND first_offset = \(batch.firstOffset) AND end_offset = \(position.offset)
            """)
        return !same.isEmpty
    }

    /// Where the log ends.
    public func position(of execution: ExecutionID) async throws -> LogPosition {
        let rows = try await database.query(
            """
            SELECT end_offset, next_sequence, stdout_bytes, stderr_bytes FROM log_batches
            WHERE execution_id = \(execution.description) ORDER BY first_offset DESC LIMIT 1
            """)
        var position = LogPosition()
        if let row = rows.first {
            position.offset = try row["end_offset"]
            position.nextSequence = try row["next_sequence"]
            position.stdoutBytes = try row["stdout_bytes"]
            position.stderrBytes = try row["stderr_bytes"]
        }
        return position
    }

    /// The records from the offset on, about 1 MiB of them; what is missing before or between them is a gap.
    /// - Returns: none when nothing is stored behind the offset.
    func records(of execution: ExecutionID, from offset: Int64) async throws -> [LogRecord] {
        let id = execution.description
        var reading = LogReading(offset: offset, size: Self.readSize)
        do {
            try await database.forEach(
                """
                SELECT first_offset, first_sequence, records FROM log_batches
                WHERE execution_id = \(id) AND end_offset > \(offset) AND first_offset >= COALESCE((
                    SELECT MAX(first_offset) FROM log_batches
                    WHERE execution_id = \(id) AND first_offset <= \(offset)), 0)
                ORDER BY first_offset
                """
            ) { row in
                try reading.take(row["records"], offset: row["first_offset"], sequence: row["first_sequence"])
                if reading.isFull { throw LogReading.Enough() }
            }
        } catch is LogReading.Enough {}
        return reading.records
    }
}

/// Puts stored batches together to what a reader gets.
private struct LogReading {
    /// Ends the reading of rows.
    struct Enough: Error {}

    private(set) var records: [LogRecord] = []
    private var end: Int64
    private var bytes = 0
    private let size: Int

    init(offset: Int64, size: Int) {
        end = offset
        self.size = size
    }

    var isFull: Bool { bytes >= size }

    mutating func take(_ stored: [UInt8], offset: Int64, sequence: Int64) throws {
        bytes += stored.count
        for record in try LogBatch.decode(stored, offset: offset, sequence: sequence) {
            if record.offset > end {
                records.append(
                    LogRecord(
                        offset: end, sequence: record.sequence - 1, time: record.time,
                        content: .gap(record.offset - end)))
                end = record.offset
            }
            guard let rest = record.from(end) else { continue }
            records.append(rest)
            end = rest.end
        }
    }
}
