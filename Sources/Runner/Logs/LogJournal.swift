import Foundation
public import Logging
import NIOConcurrencyHelpers
import Storage

/// Stores the logs of all executions of this node, and shows them to their followers once they are stored.
///
/// While one transaction is under way, everything that comes waits for the next one, which takes all of it: one
/// execution's lines are stored at once, a thousand executions' together. What a follower has seen is never lost.
public final class LogJournal: Sendable {
    /// Bytes of one execution, as they are stored, that may always wait to be. Beyond that its agent waits, unless there is
    /// room that nobody else needs: the more one transaction takes, the less it costs.
    private static let room: Int64 = 1 << 20
    private static let mostRoom: Int64 = 2 << 20
    /// Of all executions.
    private static let sharedRoom: Int64 = 8 << 20
    /// Bytes of one batch, about: what a reader gets at once.
    private static let batchSize: Int64 = 256 << 10
    private static let longestPause: Duration = .seconds(1)

    /// One execution's log, on its way to the store.
    final class Entry: Sendable {
        let lease: ExecutionQueue.Lease
        let live: LiveLog
        /// Where the log ends, stored or not.
        let position: NIOLockedValueBox<LogPosition>
        /// Its execution is ending: nobody waits for room any more.
        let isEnding = NIOLockedValueBox(false)
        /// Why nothing more is taken from it.
        let failure = NIOLockedValueBox<(any Error)?>(nil)

        init(lease: ExecutionQueue.Lease, live: LiveLog, position: LogPosition) {
            self.lease = lease
            self.live = live
            self.position = NIOLockedValueBox(position)
        }
    }

    private struct Pending {
        let entry: Entry
        var batches: [LogBatch] = []
        var bytes: Int64 = 0
        /// Those who wait for all of it to be stored.
        var waiters: [CheckedContinuation<Void, any Error>] = []
        /// Those who wait for room.
        var writers: [CheckedContinuation<Void, any Error>] = []
    }

    private struct State {
        var pending: [ObjectIdentifier: Pending] = [:]
        /// Of all of them.
        var bytes: Int64 = 0
        var storer: CheckedContinuation<Void, Never>?
        var isClosed = false
    }

    private let repository: LogRepository
    private let logger: Logger
    private let state = NIOLockedValueBox(State())

    public init(_ repository: LogRepository, logger: Logger) {
        self.repository = repository
        self.logger = logger
    }

    // MARK: From the executions

    /// Takes what was written, by one task at a time.
    /// While too much of it is not stored yet it waits, but for one that is ending: what comes then is bounded.
    /// - Throws: ``QueueError`` with code `lease_lost`, or what the database said that will not pass.
    func append(_ content: LogRecord.Content, to entry: Entry) async throws {
        let key = ObjectIdentifier(entry)
        let (storer, isOver): (CheckedContinuation<Void, Never>?, Bool) = try state.withLockedValue { state in
            if let error = entry.failure.withLockedValue({ $0 }) { throw error }
            // Taken out, and put back below: while two had it, each change would copy all of it.
            var pending = state.pending.removeValue(forKey: key) ?? Pending(entry: entry)
            let (bytes, before) = (pending.bytes, pending.batches.last?.bytes ?? 0)
            if pending.batches.isEmpty || before >= Self.batchSize {
                let position = entry.position.withLockedValue { $0 }
                pending.batches.append(LogBatch(content, at: Date(), after: position))
                pending.bytes += pending.batches[pending.batches.count - 1].bytes
            } else {
                pending.batches[pending.batches.count - 1].append(content, at: Date())
                pending.bytes += pending.batches[pending.batches.count - 1].bytes - before
            }
            let position = pending.batches[pending.batches.count - 1].position
            entry.position.withLockedValue { $0 = position }
            state.bytes += pending.bytes - bytes
            state.pending[key] = pending
            defer { state.storer = nil }
            return (state.storer, Self.isFull(pending, state))
        }
        storer?.resume()
        if isOver { try await room(entry) }
    }

    private static func isFull(_ pending: Pending, _ state: State) -> Bool {
        pending.bytes > (state.bytes > sharedRoom ? room : mostRoom)
    }

    private func room(_ entry: Entry) async throws {
        let key = ObjectIdentifier(entry)
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            let outcome: Result<Void, any Error>? = state.withLockedValue { state in
                if let error = entry.failure.withLockedValue({ $0 }) { return .failure(error) }
                guard state.pending[key] != nil, !entry.isEnding.withLockedValue({ $0 }) else { return .success(()) }
                state.pending[key]?.writers.append(continuation)
                return nil
            }
            if let outcome { continuation.resume(with: outcome) }
        }
    }

    /// Nobody waits for room any more.
    func end(_ entry: Entry) {
        let writers = state.withLockedValue { state in
            entry.isEnding.withLockedValue { $0 = true }
            defer { state.pending[ObjectIdentifier(entry)]?.writers = [] }
            return state.pending[ObjectIdentifier(entry)]?.writers ?? []
        }
        for writer in writers { writer.resume() }
    }

    /// Waits until all that was taken from the execution is stored.
    /// - Throws: as ``append(_:to:)``.
    func stored(_ entry: Entry) async throws {
        let key = ObjectIdentifier(entry)
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            let outcome: Result<Void, any Error>? = state.withLockedValue { state in
                if let error = entry.failure.withLockedValue({ $0 }) { return .failure(error) }
                guard state.pending[key] != nil else { return .success(()) }
                state.pending[key]?.waiters.append(continuation)
                return nil
            }
            if let outcome { continuation.resume(with: outcome) }
        }
    }

    // MARK: Into the store

    /// Stores what comes, until ``close()`` and all of it is stored.
    public func run() async {
        while true {
            let pending = takePending()
            guard !pending.isEmpty else {
                guard await waitForMore() else { return }
                continue
            }
            await store(pending)
        }
    }

    /// Ends ``run()`` once everything is stored.
    public func close() {
        let storer = state.withLockedValue { state in
            state.isClosed = true
            defer { state.storer = nil }
            return state.storer
        }
        storer?.resume()
    }

    /// - Returns: false when nothing more will come.
    private func waitForMore() async -> Bool {
        await withCheckedContinuation { continuation in
            let isReady = state.withLockedValue { state in
                if state.isClosed || !state.pending.isEmpty { return true }
                state.storer = continuation
                return false
            }
            if isReady { continuation.resume() }
        }
        return state.withLockedValue { !$0.isClosed || !$0.pending.isEmpty }
    }

    /// What waits stays known as pending, with no batches, until it is stored: ``stored(_:)`` waits for it.
    private func takePending() -> [(entry: Entry, batches: [LogBatch])] {
        state.withLockedValue { state in
            var taken: [(entry: Entry, batches: [LogBatch])] = []
            for (key, pending) in state.pending where !pending.batches.isEmpty {
                taken.append((pending.entry, pending.batches))
                state.pending[key]?.batches = []
                state.pending[key]?.bytes = 0
                state.bytes -= pending.bytes
            }
            return taken
        }
    }

    /// Again and again while the database is away: nothing is dropped, and agents wait when there is no more room.
    private func store(_ pending: [(entry: Entry, batches: [LogBatch])]) async {
        var backoff = Backoff(first: .milliseconds(10), longest: Self.longestPause)
        while true {
            do {
                let batches = pending.flatMap { item in item.batches.map { (lease: item.entry.lease, batch: $0) } }
                let lost = Set(try await repository.append(batches))
                for item in pending {
                    let isLost = lost.contains(item.entry.lease)
                    finish(item, isLost ? QueueError.leaseLost(item.entry.lease) : nil)
                }
                return
            } catch {
                if !error.mayPass {
                    if pending.count == 1 { return finish(pending[0], error) }
                    // One that cannot be stored must not hold up the others.
                    for item in pending { await store([item]) }
                    return
                }
                // The Engine's own log still has it.
                if Task.isCancelled {
                    for item in pending { finish(item, error) }
                    return
                }
                logger.warning("logs are not stored yet", metadata: ["error": "\(error)"])
                try? await Task.sleep(for: backoff.next())
            }
        }
    }

    private func finish(_ item: (entry: Entry, batches: [LogBatch]), _ error: (any Error)?) {
        if error == nil {
            for batch in item.batches { item.entry.live.publish(batch) }
            RunnerMetrics.stored(logBytes: item.batches.reduce(0) { $0 + $1.bytes })
        }
        let key = ObjectIdentifier(item.entry)
        let waiters: [CheckedContinuation<Void, any Error>] = state.withLockedValue { state in
            if let error { item.entry.failure.withLockedValue { $0 = error } }
            guard let rest = state.pending[key] else { return [] }
            // What came meanwhile goes into the next transaction, and those who wait, wait for that too.
            guard error != nil || rest.batches.isEmpty else {
                // Its writer is one, and there is room now.
                if Self.isFull(rest, state) { return [] }
                state.pending[key]?.writers = []
                return rest.writers
            }
            state.pending[key] = nil
            state.bytes -= rest.bytes
            return rest.waiters + rest.writers
        }
        for waiter in waiters {
            if let error { waiter.resume(throwing: error) } else { waiter.resume() }
        }
    }
}
