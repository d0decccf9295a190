public import DockerAPI
import Foundation
import NIOConcurrencyHelpers
import Storage

/// The log of one execution that runs here.
public final class LogWriter: LogSink {
    private let journal: LogJournal
    private let entry: LogJournal.Entry

    /// - Parameter position: where the stored log ends.
    init(_ lease: ExecutionQueue.Lease, position: LogPosition, journal: LogJournal, live: LiveLog) {
        self.journal = journal
        entry = LogJournal.Entry(lease: lease, live: live, position: position)
    }

    /// Followers of one that could not be finished look for whoever goes on with it.
    deinit { entry.live.leave() }

    /// Where the log ends, stored or not.
    public var position: LogPosition { entry.position.withLockedValue { $0 } }

    public func write(_ bytes: ArraySlice<UInt8>, to stream: LogStream) async throws {
        guard !bytes.isEmpty else { return }
        try await append(.bytes(Array(bytes), stream))
    }

    public func executionIsEnding() { journal.end(entry) }

    /// Waits until all that was written is stored.
    /// - Throws: as ``finish(droppedBytes:)``.
    public func stored() async throws { try await journal.stored(entry) }

    /// Says how much past the log's limit was left out, waits until all is stored, and lets followers end.
    /// - Throws: ``QueueError`` with code `lease_lost`, or what the database said that will not pass.
    public func finish(droppedBytes: Int64) async throws {
        executionIsEnding()
        defer { entry.live.close() }
        // An earlier life may have said it already.
        let position = position
        let said = position.offset - position.stdoutBytes - position.stderrBytes
        if droppedBytes > said { try await append(.truncated(droppedBytes - said)) }
        try await stored()
    }

    /// Called by one task at a time, as ``LogSink`` is.
    private func append(_ content: LogRecord.Content) async throws {
        try await journal.append(content, to: entry)
    }
}
