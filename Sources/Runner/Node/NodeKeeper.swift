import DockerAPI
import Entitlements
import Logging
import NIOConcurrencyHelpers
import Storage

/// Keeps one execution of a node in the database.
struct NodeKeeper: ExecutionKeeper {
    let store: NodeStore
    let lease: ExecutionQueue.Lease
    let request: ExecutionRequest
    let log: LogWriter
    /// Of what is written to the log from its beginning; nil where an earlier life has written some of it.
    let hashing: HashingSink?

    private var limits: Limits { request.limits }

    func willLaunch(_ launch: Launch) async throws {
        try await store.markRunning(lease, launch, limits)
        reached(.launchWritten)
    }

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
        reached(.logFinished)
        try await store.finish(lease, finished.execution, receipt: receipt(of: finished))
        reached(.endingWritten)
    }

    private func receipt(of finished: FinishedExecution) -> ReceiptDraft? {
        do {
            return try ReceiptDraft(
                of: finished.execution, input: request.input,
                log: hashing?.digest.log(droppedBytes: finished.droppedLogBytes), policy: finished.policy)
        } catch {
            // How it ended must be known all the same.
            store.logger.error(
                "an execution has no receipt", metadata: ["execution": "\(lease.executionID)", "error": "\(error)"])
            return nil
        }
    }

    func recovering() -> any LogSink { RecoveredLog(log, passingTo: hashing ?? log) }

    func reached(_ step: ExecutionStep) {
        store.watch?(step, lease.executionID)
    }
}

/// Leaves out what is stored already of a log that comes again from its beginning.
final class RecoveredLog: LogSink {
    private let next: any LogSink
    private let left: NIOLockedValueBox<[LogStream: Int64]>

    init(_ log: LogWriter, passingTo next: any LogSink) {
        self.next = next
        left = NIOLockedValueBox([.stdout: log.position.stdoutBytes, .stderr: log.position.stderrBytes])
    }

    func write(_ bytes: ArraySlice<UInt8>, to stream: LogStream) async throws {
        let rest = left.withLockedValue { left in
            let skipped = min(Int64(bytes.count), left[stream] ?? 0)
            left[stream, default: 0] -= skipped
            return bytes.dropFirst(Int(skipped))
        }
        try await next.write(rest, to: stream)
    }

    func executionIsEnding() { next.executionIsEnding() }
}
