public import Logging
import NIOConcurrencyHelpers
public import Storage

/// Every log that somebody writes or follows on this node.
public final class LogHub: Sendable {
    private struct Known {
        /// Of one that is written here; its writer holds it.
        weak var written: LiveLog?
        /// Of one that is not; its followers hold it.
        weak var followed: FollowedLog?
    }

    public let journal: LogJournal
    let repository: LogRepository
    private let logger: Logger
    private let logs = NIOLockedValueBox<[ExecutionID: Known]>([:])

    public init(_ database: Database, logger: Logger) {
        self.logger = logger
        repository = LogRepository(database)
        journal = LogJournal(repository, logger: logger)
    }

    /// Stores what is written, until ``LogJournal/close()``, and hears of what others write.
    public func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.listen(LogRepository.stored) }
            group.addTask { await self.listen(ExecutionQueue.changed) }
            await journal.run()
            group.cancelAll()
        }
    }

    private func listen(_ channel: StaticString) async {
        while !Task.isCancelled {
            do {
                try await repository.database.withNotifications(channel) { notifications in
                    for try await notification in notifications {
                        switch notification {
                        case .message(let id): if let id = ExecutionID(id) { followed([id]) }
                        case .catchUp: followed(logs.withLockedValue { Array($0.keys) })
                        }
                    }
                }
            } catch {
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    private func followed(_ executions: [ExecutionID]) {
        let followed = logs.withLockedValue { logs in executions.compactMap { logs[$0]?.followed } }
        for log in followed { log.look() }
    }

    /// Opens the log of an execution that runs here, behind what is stored of it.
    /// - Parameter isNew: it was never launched, so that nothing is stored.
    public func write(
        _ lease: ExecutionQueue.Lease, of execution: ExecutionID, isNew: Bool = false
    ) async throws -> LogWriter {
        let position = isNew ? LogPosition() : try await repository.settledPosition(of: execution)
        let live = logs.withLockedValue { logs in
            prune(&logs)
            // Those who followed before it began go on with what is written.
            let followed = logs[execution]?.followed
            followed?.leave()
            let live = followed?.live ?? LiveLog(end: position.offset)
            logs[execution] = Known(written: live)
            return live
        }
        live.advance(to: position.offset)
        return LogWriter(lease, position: position, journal: journal, live: live)
    }

    /// The records of a log from the offset on.
    /// - Parameter follows: whether to wait for what is still to come, until the log ends, wherever it is written.
    public func read(_ execution: ExecutionID, from offset: Int64 = 0, follows: Bool) -> LogReader {
        LogReader(
            execution: execution, offset: offset, follows: follows, source: source(of: execution, follows: follows),
            hub: self)
    }

    /// Where a reader finds what is new.
    struct Source: Sendable {
        /// nil where only the store is read.
        let live: LiveLog?
        /// Reads the store for as long as somebody holds it.
        var followed: FollowedLog?
    }

    func source(of execution: ExecutionID, follows: Bool) -> Source {
        logs.withLockedValue { logs in
            prune(&logs)
            if let written = logs[execution]?.written, !written.isLeft { return Source(live: written) }
            guard follows else { return Source(live: nil) }
            if let followed = logs[execution]?.followed { return Source(live: followed.live, followed: followed) }
            let followed = FollowedLog(execution, repository: repository, logger: logger)
            logs[execution] = Known(followed: followed)
            return Source(live: followed.live, followed: followed)
        }
    }

    private func prune(_ logs: inout [ExecutionID: Known]) {
        logs = logs.filter { $0.value.written != nil || $0.value.followed != nil }
    }
}
