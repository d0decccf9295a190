import Logging
import NIOConcurrencyHelpers

/// PostgreSQL: a pool of connections, one more that listens, and who announces.
final class PostgresDriver: Driver {
    private struct State {
        var idle: [PostgresSession] = []
        var isClosed = false
    }

    let dialect = Dialect.postgres
    private let connector: PostgresConnector
    private let listener: PostgresListener
    private let announcer: PostgresAnnouncer
    private let statementTimeout: Duration
    private let acquireTimeout: Duration
    private let permits: Permits
    private let state = NIOLockedValueBox(State())

    init(url: PostgresURL, configuration: Database.Configuration, logger: Logger) {
        connector = PostgresConnector(url: url, statementTimeout: configuration.statementTimeout, logger: logger)
        listener = PostgresListener(connector, logger: logger)
        announcer = PostgresAnnouncer(logger: logger)
        statementTimeout = configuration.statementTimeout
        acquireTimeout = configuration.acquireTimeout
        permits = Permits(configuration.connections)
    }

    func acquire(
        _ access: Access, isUrgent: Bool, until deadline: ContinuousClock.Instant
    ) async throws -> any Session {
        try await permits.take(isUrgent: isUrgent, until: deadline)
        do {
            while let session = try takeIdle() {
                if session.isReusable { return session }
            }
            return PostgresSession(try await connector.connect(until: deadline), usualTimeout: statementTimeout)
        } catch {
            permits.giveBack()
            throw error
        }
    }

    func release(_ session: any Session) {
        guard let session = session as? PostgresSession else { return }
        let announcements = session.takeAnnouncements()
        if session.isReusable {
            state.withLockedValue { state in
                if !state.isClosed { state.idle.append(session) }
            }
        }
        permits.giveBack()
        announcer.announce(announcements) { try await self.send($0) }
    }

    private func send(_ statement: Statement) async throws {
        let session = try await acquire(.write, isUrgent: false, until: .now + acquireTimeout)
        defer { release(session) }
        _ = try await session.run([statement], timeout: statementTimeout)
    }

    private func takeIdle() throws -> PostgresSession? {
        try state.withLockedValue { state in
            guard !state.isClosed else {
                throw DatabaseError(.databaseClosed, "\(connector.url): the database has been closed")
            }
            return state.idle.popLast()
        }
    }

    func subscribe(to channel: String) -> Notifications { listener.subscribe(to: channel) }

    func close() async {
        await announcer.close()
        let idle = state.withLockedValue { state in
            defer { state.idle = [] }
            state.isClosed = true
            return state.idle
        }
        // A connection ends with its last reference.
        _ = consume idle
        await listener.close()
    }
}
