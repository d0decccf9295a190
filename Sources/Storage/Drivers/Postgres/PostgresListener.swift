import Logging
import NIOConcurrencyHelpers

/// The connection that listens: made with the first subscription, and made again whenever it is lost.
final class PostgresListener: Sendable {
    private struct State {
        var task: Task<Void, Never>?
        /// Channels that somebody has asked for since the connection was last told.
        var asked: Set<String> = []
        /// Given to look at `asked`.
        var wake = OneShot<Void>()
        var isClosed = false
    }

    /// How long the server may be silent before it is asked whether it is there.
    private static let silence: Duration = .seconds(15)
    private static let answer: Duration = .seconds(5)

    private let connector: PostgresConnector
    private let hub = NotificationHub()
    private let logger: Logger
    private let state = NIOLockedValueBox(State())

    init(_ connector: PostgresConnector, logger: Logger) {
        self.connector = connector
        self.logger = logger
    }

    func subscribe(to channel: String) -> Notifications {
        let notifications = hub.subscribe(to: channel)
        state.withLockedValue { state in
            guard !state.isClosed else { return }
            state.asked.insert(channel)
            state.wake.give(.success(()))
            if state.task == nil { state.task = Task { await self.run() } }
        }
        return notifications
    }

    /// Returns once the connection is closed.
    func close() async {
        hub.close()
        let task = state.withLockedValue { state in
            state.isClosed = true
            return state.task
        }
        task?.cancel()
        await task?.value
    }

    private static var newBackoff: Backoff { Backoff(first: .milliseconds(50), longest: .seconds(2)) }

    private func run() async {
        // Of connections that are made and do not listen, as on a standby; the connector has its own.
        var backoff = Self.newBackoff
        while !Task.isCancelled {
            do {
                let connection = try await connector.connect(until: .now + Self.answer)
                try await listen(on: connection) { backoff = Self.newBackoff }
            } catch let error as DatabaseError {
                logger.debug("not listening", metadata: ["paddock.storage.reason": "\(error.message)"])
                try? await Task.sleep(for: backoff.next())
            } catch {
                return
            }
        }
    }

    /// Returns never, and throws once the connection is lost or the task is cancelled.
    private func listen(on connection: PostgresConnection, _ isListening: () -> Void) async throws {
        state.withLockedValue { $0.asked.formUnion(hub.channels) }
        while true {
            try Task.checkCancellation()
            let (asked, wake) = state.withLockedValue { state in
                defer { state.asked = [] }
                state.wake = OneShot()
                return (state.asked, state.wake)
            }
            for channel in asked {
                var patience = Patience(Self.answer)
                _ = try await connection.run("LISTEN \(connection.quoted(channel))", &patience)
                hub.publish(.catchUp, to: channel)
                isListening()
            }
            publish(connection.takeNotifications())
            let quiet = ContinuousClock.now + Self.silence
            publish(try await connection.notifications(wake: wake, until: quiet))
            if ContinuousClock.now >= quiet {
                var patience = Patience(Self.answer)
                _ = try await connection.run("SELECT 1", &patience)
            }
        }
    }

    private func publish(_ notifications: [(channel: String, payload: String)]) {
        for (channel, payload) in notifications { hub.publish(.message(payload), to: channel) }
    }
}
