import Foundation
public import Logging

/// A database: SQLite or PostgreSQL, behind the same statements.
///
/// Each call ends within a deadline: ``Configuration/acquireTimeout`` for a connection, then
/// ``Configuration/statementTimeout`` and 5 s for each statement.
public struct Database: SQLExecutor {
    /// How a database is used.
    public struct Configuration: Sendable {
        /// Connections at once to PostgreSQL; the one that listens comes on top. SQLite has one that writes and four
        /// that read.
        public var connections = 8
        /// Longest wait for a connection, whether all are in use or the database is away.
        public var acquireTimeout: Duration = .seconds(5)
        /// Longest that a statement may take.
        public var statementTimeout: Duration = .seconds(30)
        /// How often a transaction is tried when others are in its way.
        public var attempts = 10

        public init() {}
    }

    let driver: any Driver
    let configuration: Configuration
    let logger: Logger
    /// Where an embedded database has its file; nil for a server's.
    public let folder: String?

    /// Touches nothing yet: a database that is away shows when it is used.
    public init(_ location: DatabaseLocation, configuration: Configuration = Configuration(), logger: Logger) {
        self.configuration = configuration
        self.logger = logger
        switch location.kind {
        case .sqlite(let path):
            folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
            driver = SQLiteDriver(path: path)
        case .postgres(let url):
            folder = nil
            driver = PostgresDriver(url: url, configuration: configuration, logger: logger)
        }
    }

    public func query(_ sql: SQL) async throws -> [Row] { try await run(sql).rows }

    public func find(_ sql: SQL) async throws -> Row? {
        let statement = try Statement(sql, for: driver.dialect)
        guard statement.onlyReads else { return try await run(sql).rows.first }
        return try await withSession(.read) { session in
            try await session.find(statement, timeout: configuration.statementTimeout).rows.first
        }
    }

    @discardableResult
    public func execute(_ sql: SQL) async throws -> Int { try await run(sql).changes }

    private func run(_ sql: SQL) async throws -> Outcome {
        let statement = try Statement(sql, for: driver.dialect)
        return try await withSession(statement.onlyReads ? .read : .write) { session in
            do {
                return try await session.run([statement], timeout: configuration.statementTimeout)
            } catch let error as DatabaseError where !statement.onlyReads {
                throw error.ofCommit
            }
        }
    }

    public func forEach(_ sql: SQL, _ body: (Row) async throws -> Void) async throws {
        let statement = try Statement(sql, for: driver.dialect)
        try await withSession(statement.onlyReads ? .read : .write) { session in
            do {
                try await session.start(statement, timeout: configuration.statementTimeout)
                try await session.forEachRow(body)
            } catch let error as DatabaseError where !statement.onlyReads {
                throw error.ofCommit
            }
        }
    }

    /// Runs `body` with what is sent to a channel from now on. With SQLite, only senders in this process are heard.
    ///
    /// The first notification is ``Notification/catchUp``, once the channel is listened to. While the database is away
    /// nothing comes, and then ``Notification/catchUp`` again; so keep a slow look into the tables besides.
    /// - Throws: what `body` throws.
    public func withNotifications<Result>(
        _ channel: StaticString, _ body: (Notifications) async throws -> Result
    ) async throws -> Result {
        let notifications = driver.subscribe(to: channel.description)
        return try await body(notifications)
    }

    /// Refuses new work, and closes the connections once they are free. Work that is under way goes on.
    public func close() async { await driver.close() }

    func withSession<Result>(
        _ access: Access, _ body: (any Session) async throws -> Result
    ) async throws -> Result {
        do {
            let session = try await acquire(access, until: .now + configuration.acquireTimeout)
            defer { release(session) }
            return try await body(session)
        } catch {
            DatabaseMetrics.failed(error)
            throw error
        }
    }
}
