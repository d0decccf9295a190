import DockerAPI
import Foundation

/// Records of one log, one behind the other, as they are stored together.
struct LogBatch: Sendable {
    /// Not empty.
    private(set) var records: [LogRecord]
    private(set) var bytes: Int64
    /// How much of each stream the log has behind this batch.
    private(set) var position: LogPosition

    init(_ content: LogRecord.Content, at time: Date, after position: LogPosition) {
        records = []
        bytes = 0
        self.position = position
        append(content, at: time)
    }

    /// As it was stored.
    init(_ records: [LogRecord], before position: LogPosition) {
        self.records = records
        bytes = records.reduce(0) { $0 + Int64($1.size) }
        self.position = position
    }

    /// A record of what is written at the position. What continues the last record becomes part of it: an agent that
    /// writes byte by byte must not fill the database with what stands around them.
    mutating func append(_ content: LogRecord.Content, at time: Date) {
        guard case .bytes(let more, let stream) = content, continues(stream, at: time) else {
            return append(
                LogRecord(offset: position.offset, sequence: position.nextSequence, time: time, content: content))
        }
        records[records.count - 1].extend(by: more)
        bytes += Int64(more.count)
        position.advance(
            past: LogRecord(
                offset: position.offset, sequence: position.nextSequence - 1, time: time, content: content))
    }

    /// Whether the last record has bytes of that stream and that millisecond.
    private func continues(_ stream: LogStream, at time: Date) -> Bool {
        guard let last = records.last, case .bytes(_, stream) = last.content else { return false }
        return last.time.milliseconds == time.milliseconds
    }

    private mutating func append(_ record: LogRecord) {
        records.append(record)
        bytes += Int64(record.size)
        position.advance(past: record)
    }

    var firstOffset: Int64 { records[0].offset }
    var firstSequence: Int64 { records[0].sequence }
}

/// Where a log ends.
public struct LogPosition: Sendable, Equatable {
    /// Behind the last record.
    public internal(set) var offset: Int64 = 0
    /// Of the next record.
    public internal(set) var nextSequence: Int64 = 1
    /// Bytes of stdout, without what was left out.
    public internal(set) var stdoutBytes: Int64 = 0
    public internal(set) var stderrBytes: Int64 = 0

    public init() {}

    mutating func advance(past record: LogRecord) {
        offset = record.end
        nextSequence = record.sequence + 1
        switch record.content {
        case .bytes(let bytes, .stdout): stdoutBytes += Int64(bytes.count)
        case .bytes(let bytes, .stderr): stderrBytes += Int64(bytes.count)
        case .truncated, .gap: break
        }
    }
}

/// The stored form: for each record its kind (one byte), its time (milliseconds, eight bytes), its length (eight bytes),
/// all little-endian, and the bytes themselves. Offsets and sequence numbers follow from the first record's.
extension LogBatch {
    /// A stored batch that cannot be read.
    struct Malformed: Error, CustomStringConvertible {
        let description: String
    }

    private enum Kind: UInt8 {
        case stdout = 0
        case stderr = 1
        case truncated = 2
        case gap = 3
    }

    fileprivate static let headerSize = 17

    var encoded: [UInt8] {
        var all: [UInt8] = []
        all.reserveCapacity(Int(bytes))
        for record in records {
            all.append(Self.kind(of: record).rawValue)
            all += record.time.milliseconds.littleEndianBytes
            all += record.length.littleEndianBytes
            if case .bytes(let bytes, _) = record.content { all += bytes }
        }
        return all
    }

    private static func kind(of record: LogRecord) -> Kind {
        switch record.content {
        case .bytes(_, .stdout): .stdout
        case .bytes(_, .stderr): .stderr
        case .truncated: .truncated
        case .gap: .gap
        }
    }

    /// - Throws: ``Malformed``.
    static func decode(_ stored: [UInt8], offset: Int64, sequence: Int64) throws(Malformed) -> [LogRecord] {
        var records: [LogRecord] = []
        var (offset, sequence) = (offset, sequence)
        var rest = stored[...]
        while !rest.isEmpty {
            guard rest.count >= headerSize, let kind = Kind(rawValue: rest[rest.startIndex]) else {
                throw Malformed(description: "a stored batch of a log ends in the middle of a record, or is none")
            }
            let time = Date(milliseconds: Int64(littleEndianBytes: rest.dropFirst().prefix(8)))
            let length = Int64(littleEndianBytes: rest.dropFirst(9).prefix(8))
            rest = rest.dropFirst(headerSize)
            var content: LogRecord.Content
            switch kind {
            case .truncated: content = .truncated(length)
            case .gap: content = .gap(length)
            case .stdout, .stderr:
                guard length > 0, length <= rest.count else {
                    throw Malformed(
                        description: "a stored batch of a log has a record of \(length) bytes in \(rest.count)")
                }
                content = .bytes(Array(rest.prefix(Int(length))), kind == .stdout ? .stdout : .stderr)
                rest = rest.dropFirst(Int(length))
            }
            let record = LogRecord(offset: offset, sequence: sequence, time: time, content: content)
            records.append(record)
            (offset, sequence) = (record.end, sequence + 1)
        }
        return records
    }
}

extension LogRecord {
    /// Bytes that it takes in a stored batch.
    fileprivate var size: Int {
        if case .bytes(let bytes, _) = content { return LogBatch.headerSize + bytes.count }
        return LogBatch.headerSize
    }
}

extension Date {
    fileprivate var milliseconds: Int64 { Int64((timeIntervalSince1970 * 1000).rounded()) }

    fileprivate init(milliseconds: Int64) { self.init(timeIntervalSince1970: Double(milliseconds) / 1000) }
}

extension Int64 {
    fileprivate var littleEndianBytes: [UInt8] { withUnsafeBytes(of: littleEndian) { Array($0) } }

    fileprivate init(littleEndianBytes bytes: ArraySlice<UInt8>) {
        self = bytes.reversed().reduce(0) { $0 << 8 | Int64($1) }
    }
}
