import Foundation
import NIOConcurrencyHelpers

/// The end of a log that still grows, in memory: what every follower wants, held once for all of them.
final class LiveLog: Sendable {
    enum Reading {
        /// What comes from the offset on; never empty.
        case records([LogRecord])
        /// It lies further back than what is held: the store has it.
        case stored
        /// There is nothing there yet.
        case nothingYet
        /// There is nothing, and nothing more will come.
        case end
        /// There is nothing, and who wrote it has gone without an end.
        case left
    }

    /// Bytes of records that are held, beside the last batch: what one transaction brings. A follower further behind is fed
    /// from the store.
    static let room: Int64 = 2 << 20

    private struct State {
        /// One behind the other, the oldest first.
        var batches: [LogBatch] = []
        var bytes: Int64 = 0
        var end: Int64
        var hasEnded = false
        var isLeft = false
        var waiters: [ObjectIdentifier: LogInbox] = [:]
    }

    private let state: NIOLockedValueBox<State>

    /// - Parameter end: what is stored already.
    init(end: Int64) { state = NIOLockedValueBox(State(end: end)) }

    /// Adds what has been stored. What is known already is left out; from what lies further on, followers go back to the
    /// store.
    func publish(_ batch: LogBatch) {
        resume { state in
            guard batch.position.offset > state.end else { return }
            if batch.firstOffset != state.end {
                state.batches = []
                state.bytes = 0
            }
            state.batches.append(batch)
            state.bytes += batch.bytes
            state.end = batch.position.offset
            while state.batches.count > 1, state.bytes > Self.room {
                state.bytes -= state.batches.removeFirst().bytes
            }
        }
    }

    /// So much is stored, and not held here.
    func advance(to end: Int64) {
        resume { state in
            guard end > state.end else { return }
            state.batches = []
            state.bytes = 0
            state.end = end
        }
    }

    /// Where it ends now.
    var end: Int64 { state.withLockedValue { $0.end } }

    /// Who wrote it has gone. Nothing after an end.
    func leave() { resume { $0.isLeft = true } }

    var isLeft: Bool { state.withLockedValue { $0.isLeft && !$0.hasEnded } }

    /// Nothing more will come.
    func close() { resume { $0.hasEnded = true } }

    func read(from offset: Int64) -> Reading {
        state.withLockedValue { state in
            guard offset < state.end else { return state.hasEnded ? .end : state.isLeft ? .left : .nothingYet }
            guard let first = state.batches.first, offset >= first.firstOffset else { return .stored }
            // The one whose end lies behind the offset: a binary search, as there can be thousands of small ones.
            var (low, high) = (0, state.batches.count - 1)
            while low < high {
                let middle = (low + high) / 2
                if state.batches[middle].position.offset > offset { high = middle } else { low = middle + 1 }
            }
            let batch = state.batches[low]
            guard offset > batch.firstOffset else { return .records(batch.records) }
            return .records(batch.records.compactMap { $0.from(offset) })
        }
    }

    /// For bytes that nobody has any more: up to where there are some.
    func gap(from offset: Int64) -> [LogRecord] {
        state.withLockedValue { state in
            let (start, next) = (state.batches.first?.firstOffset ?? state.end, state.batches.first?.firstSequence ?? 1)
            return [.gap(from: offset, to: start, sequence: next - 1, time: Date())]
        }
    }

    /// Raises the inbox once there is something from the offset on, or nothing more will come.
    func raise(_ inbox: LogInbox, beyond offset: Int64) {
        let isThere = state.withLockedValue { state in
            if offset < state.end || state.hasEnded || state.isLeft { return true }
            state.waiters[ObjectIdentifier(inbox)] = inbox
            return false
        }
        if isThere { inbox.raise() }
    }

    /// Nobody waits with it any more.
    func forget(_ inbox: LogInbox) { state.withLockedValue { $0.waiters[ObjectIdentifier(inbox)] = nil } }

    private func resume(after change: (inout State) -> Void) {
        let waiters = state.withLockedValue { state in
            change(&state)
            defer { state.waiters = [:] }
            return state.waiters.values
        }
        for waiter in waiters { waiter.raise() }
    }
}
