public import Logging
import NIOConcurrencyHelpers
public import Storage

/// Every log that somebody writes or follows on this node.
public final class LogHub: Sendable {
    private struct Weak {
        weak var live: LiveLog?
    }

    public let journal: LogJournal
    private let repository: LogRepository
    private let database: Database
    /// Those written here are held by their writers, those of other nodes by their followers.
    private let logs = NIOLockedValueBox<[ExecutionID: Weak]>([:])

    public init(_ database: Database, logger: Logger) {
        self.database = database
        repository = LogRepository(database)
        journal = LogJournal(repository, logger: logger)
    }

    /// Stores what is written, until ``LogJournal/close()``.
    public func run() async { await journal.run() }

    /// Opens the log of an execution that runs here, behind what is stored of it.
    public func write(_ lease: ExecutionQueue.Lease, of execution: ExecutionID) async throws -> LogWriter {
        let position = try await repository.position(of: execution)
        let live = LiveLog(end: position.offset)
        logs.withLockedValue { $0[execution] = Weak(live: live) }
        return LogWriter(lease, position: position, journal: journal, live: live)
    }

    /// The records of a log from the offset on.
    /// - Parameter follows: whether to wait for what is still to come, until the log ends.
    public func read(_ execution: ExecutionID, from offset: Int64 = 0, follows: Bool) -> LogReader {
        let live = logs.withLockedValue { logs in
            logs = logs.filter { $0.value.live != nil }
            return logs[execution]?.live
        }
        return LogReader(execution: execution, offset: offset, follows: follows, live: live, repository: repository)
    }
}
