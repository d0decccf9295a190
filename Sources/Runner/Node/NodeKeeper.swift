import DockerAPI
import Entitlements
import Logging
import NIOConcurrencyHelpers
import Storage

/// Keeps one execution of a node in the database.
struct NodeKeeper: ExecutionKeeper {
    let store: NodeStore
    let lease: ExecutionQueue.Lease
    let limits: Limits
    let log: LogWriter

    func willLaunch(_ launch: Launch) async throws { try await store.markRunning(lease, launch, limits) }

    func isStopping() async {
        do {
            try await store.markStopping(lease, limits)
        } catch {
            // It is told to end all the same; what users see of it is late.
            store.logger.warning(
                "a stop is not stored", metadata: ["execution": "\(lease.executionID)", "error": "\(error)"])
        }
    }

    /// Log, then ending: who sees that it has ended can read all of it.
    func hasEnded(_ finished: FinishedExecution) async throws {
        try await log.finish(droppedBytes: finished.droppedLogBytes)
        try await store.finish(lease, finished.execution)
    }
}

/// Leaves out what is stored already of a log that comes again from its beginning.
final class RecoveredLog: LogSink {
    private let log: LogWriter
    private let left: NIOLockedValueBox<[LogStream: Int64]>

    init(_ log: LogWriter) {
        self.log = log
        left = NIOLockedValueBox([.stdout: log.position.stdoutBytes, .stderr: log.position.stderrBytes])
    }

    func write(_ bytes: ArraySlice<UInt8>, to stream: LogStream) async throws {
        let rest = left.withLockedValue { left in
            let skipped = min(Int64(bytes.count), left[stream] ?? 0)
            left[stream, default: 0] -= skipped
            return bytes.dropFirst(Int(skipped))
        }
        try await log.write(rest, to: stream)
    }

    func executionIsEnding() { log.executionIsEnding() }
}
