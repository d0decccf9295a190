import Dispatch
import Logging
import NIOConcurrencyHelpers

/// Makes connections, one at a time, with growing pauses while the database is away.
final class PostgresConnector: Sendable {
    private struct State {
        var poller: SocketPoller?
        var backoff = PostgresConnector.newBackoff
        /// While the database is away: when it is tried again, and why it failed.
        var pause: (end: ContinuousClock.Instant, reason: DatabaseError)?
    }

    /// Longest that a transaction may wait for its own client, which may have been cut off with rows locked. Heartbeats
    /// wait for those rows: it is shorter than a third of a lease.
    private static let idleInTransaction: Duration = .seconds(8)

    let url: PostgresURL
    private let statementTimeout: Duration
    private let logger: Logger
    /// Connecting blocks a thread: never more than this one.
    private let queue = DispatchQueue(label: "paddock.postgres.connect")
    private let state = NIOLockedValueBox(State())

    init(url: PostgresURL, statementTimeout: Duration, logger: Logger) {
        self.url = url
        self.statementTimeout = statementTimeout
        self.logger = logger
    }

    private static var newBackoff: Backoff { Backoff(first: .milliseconds(50), longest: .seconds(2)) }

    /// Tries until a connection is there, or the deadline leaves no time for another attempt.
    /// - Throws: ``DatabaseError`` with code `database_unavailable`, `CancellationError`.
    func connect(until deadline: ContinuousClock.Instant) async throws -> PostgresConnection {
        while true {
            if let pause = state.withLockedValue({ $0.pause }), pause.end > .now {
                guard pause.end < deadline else { throw pause.reason }
                try await Task.sleep(until: pause.end, clock: .continuous)
            }
            do {
                let connection = try await open(until: deadline)
                note(nil)
                return connection
            } catch let error as DatabaseError {
                note(error)
                guard ContinuousClock.now < deadline else { throw error }
            } catch is Late {
                // What an attempt before this one has said is of more use.
                if let reason = state.withLockedValue({ $0.pause?.reason }) { throw reason }
                let error = DatabaseError(
                    .databaseUnavailable, "\(url): the database did not take a connection in time")
                note(error)
                throw error
            }
        }
    }

    private struct Late: Error {}

    private func open(until deadline: ContinuousClock.Instant) async throws -> PostgresConnection {
        let opened = OneShot<PostgresConnection>()
        let poller = try poller()
        queue.async { [url] in
            // Whoever waited may have left.
            guard ContinuousClock.now < deadline else { return }
            opened.give(Result { try PostgresConnection(url, poller: poller) })
        }
        let connection = try await opened.value(until: deadline) { Late() }
        try await prepare(connection, until: deadline)
        return connection
    }

    private func prepare(_ connection: PostgresConnection, until deadline: ContinuousClock.Instant) async throws {
        let settings: SQL = """
            SELECT set_config('statement_timeout', \(statementTimeout.milliseconds), false), \
            set_config('idle_in_transaction_session_timeout', \(Self.idleInTransaction.milliseconds), false), \
            set_config('client_connection_check_interval', '1s', false)
            """
        var patience = Patience(until: deadline)
        _ = try await connection.run(Statement(settings, for: .postgres), &patience)
    }

    private func poller() throws -> SocketPoller {
        try state.withLockedValue { state in
            if let poller = state.poller { return poller }
            let poller = try SocketPoller()
            state.poller = poller
            return poller
        }
    }

    /// Remembers how an attempt has ended, and says when that changes.
    private func note(_ failure: DatabaseError?) {
        let wasAway = state.withLockedValue { state in
            defer {
                if let failure {
                    state.pause = (.now + state.backoff.next(), failure)
                } else {
                    state.pause = nil
                    state.backoff = Self.newBackoff
                }
            }
            return state.pause != nil
        }
        if let failure, !wasAway {
            logger.warning("database is away", metadata: ["paddock.storage.reason": "\(failure.message)"])
        } else if failure == nil, wasAway {
            logger.notice("database is back", metadata: ["paddock.storage.database": "\(url)"])
        }
    }
}

extension Duration {
    /// As PostgreSQL takes a setting.
    var milliseconds: String { "\(max(1, Int64(self / .milliseconds(1))))ms" }
}
