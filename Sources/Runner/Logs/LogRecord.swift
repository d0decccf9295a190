public import DockerAPI
public import Foundation

/// A piece of an execution's log.
///
/// A log is a sequence of bytes, stdout and stderr together in the order in which they came. Every byte has its offset
/// in it, also those that were left out: so the offset behind a record says where to go on, whatever became of the rest.
public struct LogRecord: Sendable, Equatable {
    public enum Content: Sendable, Equatable {
        case bytes([UInt8], LogStream)
        /// So many bytes past the log's limit were left out.
        case truncated(Int64)
        /// So many bytes are missing: they could not be recovered, or were too old to be kept.
        case gap(Int64)
    }

    /// Of its first byte.
    public let offset: Int64
    /// Counts the records of a log from 1.
    public let sequence: Int64
    /// When it was read from the agent, in whole milliseconds.
    public let time: Date
    public private(set) var content: Content

    public init(offset: Int64, sequence: Int64, time: Date, content: Content) {
        self.offset = offset
        self.sequence = sequence
        self.time = time
        self.content = content
    }

    /// Adds what follows at once, if it has bytes.
    mutating func extend(by more: [UInt8]) {
        guard case .bytes(var bytes, let stream) = content else { return }
        // While two had them, they would be copied to be changed.
        content = .gap(0)
        bytes += more
        content = .bytes(bytes, stream)
    }

    /// For bytes that nobody has any more.
    static func gap(from offset: Int64, to end: Int64, sequence: Int64, time: Date) -> LogRecord {
        LogRecord(offset: offset, sequence: sequence, time: time, content: .gap(end - offset))
    }

    /// How many of the log's bytes it stands for.
    public var length: Int64 {
        switch content {
        case .bytes(let bytes, _): Int64(bytes.count)
        case .truncated(let count), .gap(let count): count
        }
    }

    /// The offset behind it: where to go on.
    public var end: Int64 { offset + length }

    /// What of it comes at or after the offset; nil for nothing.
    func from(_ start: Int64) -> LogRecord? {
        guard start > offset else { return self }
        guard start < end else { return nil }
        let rest: Content =
            switch content {
            case .bytes(let bytes, let stream): .bytes(Array(bytes.dropFirst(Int(start - offset))), stream)
            case .truncated: .truncated(end - start)
            case .gap: .gap(end - start)
            }
        return LogRecord(offset: start, sequence: sequence, time: time, content: rest)
    }
}
