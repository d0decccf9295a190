import Logging
import Storage

/// A log that is not written here, for its followers here: one task reads the store for all of them, for as long as there
/// is one.
final class FollowedLog: Sendable {
    /// Where no notification comes, as from another process on SQLite. It is two statements for each log.
    private static let interval: Duration = .seconds(5)

    let live: LiveLog
    private let wake: Wake
    private let task: Task<Void, Never>

    init(_ execution: ExecutionID, repository: LogRepository, logger: Logger) {
        let (live, wake) = (LiveLog(end: 0), Wake())
        self.live = live
        self.wake = wake
        task = Task {
            var isBegun = false
            while !Task.isCancelled {
                do {
                    if !isBegun {
                        // What is there already, each follower reads from the store as it needs it.
                        live.advance(to: try await repository.position(of: execution).offset)
                        isBegun = true
                    }
                    // Asked first: what is stored before the end is read behind it.
                    let hasEnded = try await repository.hasEnded(execution)
                    var batches = try await repository.batches(of: execution, from: live.end)
                    while !batches.isEmpty {
                        for batch in batches { live.publish(batch) }
                        batches = try await repository.batches(of: execution, from: live.end)
                    }
                    if hasEnded { return live.close() }
                } catch {
                    logger.debug("a log is not read", metadata: ["execution": "\(execution)", "error": "\(error)"])
                }
                await wake.wait(atMost: Self.interval)
            }
        }
    }

    deinit { task.cancel() }

    /// More was stored, or it has ended.
    func look() { wake.up() }

    /// It is written here from now on: its writer says when it ends.
    func leave() { task.cancel() }
}
