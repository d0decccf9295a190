import NIOConcurrencyHelpers

/// What a listener hears.
public enum Notification: Hashable, Sendable {
    /// Something may have been missed: look into the tables. It comes first, after each reconnect, and in place of what
    /// a slow listener had no room for.
    case catchUp
    /// What was sent.
    case message(String)
}

/// What is sent to one channel, to be read by one task.
public final class Notifications: AsyncSequence, Sendable {
    public typealias Element = Notification

    /// Notifications that may wait for the reader; with the longest payloads 1 MiB.
    static let room = 1024

    private struct State {
        var pending: [Notification] = []
        var reader: OneShot<Notification>?
        var isClosed = false
    }

    private let state = NIOLockedValueBox(State())
    let channel: String

    init(channel: String) { self.channel = channel }

    func post(_ notification: Notification) {
        state.withLockedValue { state in
            // Under the lock, so that nothing overtakes. A reader that has just been cancelled takes nothing.
            if let reader = state.reader {
                state.reader = nil
                if reader.give(.success(notification)) { return }
            }
            if notification == .catchUp || state.pending.count >= Self.room {
                state.pending = [.catchUp]
            } else {
                state.pending.append(notification)
            }
        }
    }

    func close() {
        state.withLockedValue { state in
            state.isClosed = true
            state.reader?.give(.failure(Self.closed))
            state.reader = nil
        }
    }

    private static var closed: DatabaseError { DatabaseError(.databaseClosed, "the database has been closed") }

    private func read() async throws -> Notification {
        try Task.checkCancellation()
        let reader = OneShot<Notification>()
        state.withLockedValue { state in
            if state.isClosed {
                reader.give(.failure(Self.closed))
            } else if !state.pending.isEmpty {
                reader.give(.success(state.pending.removeFirst()))
            } else {
                state.reader = reader
            }
        }
        return try await reader.value(until: nil) { CancellationError() }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(read: read) }

    public struct AsyncIterator: AsyncIteratorProtocol {
        let read: @Sendable () async throws -> Notification

        /// The next notification; there is no end.
        /// - Throws: `CancellationError`; ``DatabaseError`` with code `database_unavailable` once the database is closed.
        public mutating func next() async throws -> Notification? { try await read() }
    }
}
