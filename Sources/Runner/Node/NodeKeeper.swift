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
    let keys: KeyFolder
    let repository: LogRepository

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
        try await store.finish(lease, finished.execution, receipt: try await receipt(of: finished))
        reached(.endingWritten)
    }

    /// nil for one that never had a sandbox. Signed after its end, with the key that is in use then.
    private func receipt(of finished: FinishedExecution) async throws -> String? {
        guard finished.execution.startedAt != nil else { return nil }
        let log = try await digest().log(droppedBytes: finished.droppedLogBytes)
        let receipt = try Receipt(of: finished.execution, input: request.input, log: log, policy: finished.policy)
        return String(decoding: try keys.signingKey().sign(receipt).serialized(), as: UTF8.self)
    }

    private func digest() async throws -> LogDigest {
        if let hashing { return hashing.digest }
        var digest = LogDigest()
        var offset: Int64 = 0
        while true {
            let records = try await repository.records(of: request.id, from: offset)
            guard let last = records.last else { return digest }
            for case .bytes(let bytes, let stream) in records.map(\.content) { digest.update(bytes[...], of: stream) }
            offset = last.end
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
