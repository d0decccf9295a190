import NIOConcurrencyHelpers

/// A connection to PostgreSQL, leased.
final class PostgresSession: Session {
    /// The server ends a statement at its timeout. Beyond this it is the server, or the way to it, that hangs.
    private static let slack: Duration = .seconds(5)
    /// Held by who migrates; any number that no other program uses on this database.
    private static let migrationLock: Int64 = 0x5061_6464_6f63_6b31

    private struct State {
        var isBroken = false
        /// Of the statement whose rows are being read.
        var reading: Patience?
    }

    private let connection: PostgresConnection
    private let usualTimeout: Duration
    private let state = NIOLockedValueBox(State())

    /// - Parameter usualTimeout: the connection's own statement timeout.
    init(_ connection: PostgresConnection, usualTimeout: Duration) {
        self.connection = connection
        self.usualTimeout = usualTimeout
    }

    /// Whether somebody else can use it.
    var isReusable: Bool { !state.withLockedValue { $0.isBroken } && connection.isIdle }

    /// A connection that was left in the middle of an answer is of no more use.
    private func keepingTrack<Result>(_ operation: () async throws -> Result) async throws -> Result {
        var isWhole = false
        defer { if !isWhole { state.withLockedValue { $0.isBroken = true } } }
        do {
            let result = try await operation()
            isWhole = true
            return result
        } catch let error as DatabaseError where !error.isFateUnknown && connection.isOpen {
            isWhole = true
            throw error
        }
    }

    @discardableResult
    private func run(_ text: String, _ patience: Patience) async throws -> PostgresConnection.Completion {
        var patience = patience
        return try await keepingTrack { try await connection.run(text, &patience) }
    }

    // MARK: Transactions

    func begin(
        _ isolation: Transaction.Isolation, statementTimeout: Duration, until deadline: ContinuousClock.Instant
    ) async throws {
        switch isolation {
        case .serializable: try await run("BEGIN ISOLATION LEVEL SERIALIZABLE", Patience(until: deadline))
        case .readCommitted: try await run("BEGIN ISOLATION LEVEL READ COMMITTED", Patience(until: deadline))
        }
        if statementTimeout != usualTimeout {
            let setting: SQL = "SELECT set_config('statement_timeout', \(statementTimeout.milliseconds), true)"
            _ = try await run(Statement(setting, for: .postgres), timeout: usualTimeout)
        }
    }

    func commit(timeout: Duration) async throws {
        let completion = try await run("COMMIT", Patience(timeout + Self.slack, isCancellable: false))
        // What COMMIT does, without an error, to a transaction with one that failed.
        if completion.tag == "ROLLBACK" {
            throw DatabaseError(.transactionFailed, "nothing was written: a statement of the transaction had failed")
        }
    }

    func rollback() async {
        guard !state.withLockedValue({ $0.isBroken }), connection.isInTransaction else { return }
        _ = try? await run("ROLLBACK", Patience(Self.slack, isCancellable: false))
    }

    // MARK: Statements

    func run(_ statement: Statement, timeout: Duration) async throws -> Outcome {
        var patience = Patience(timeout + Self.slack)
        return try await keepingTrack { try await connection.run(statement, &patience).outcome }
    }

    func start(_ statement: Statement, timeout: Duration) async throws {
        var patience = Patience(timeout + Self.slack)
        try await keepingTrack {
            try connection.send(statement.text, statement.binds, rowByRow: true)
            try await connection.flush(&patience)
        }
        state.withLockedValue { $0.reading = patience }
    }

    func fetch() async throws -> [Row] {
        guard var patience = state.withLockedValue({ $0.reading }) else { return [] }
        var batch = RowBatch()
        try await keepingTrack {
            while !batch.isFull {
                guard let answer = try await connection.next(&patience) else {
                    state.withLockedValue { $0.reading = nil }
                    break
                }
                switch answer {
                case .rows(let rows, _): for row in rows { batch.append(row) }
                case .done: break
                case .failed(let error): throw error
                }
            }
        }
        return batch.rows
    }

    func endRows() async {
        let isEnded = state.withLockedValue { state in
            defer { state.reading = nil }
            return state.reading == nil || state.isBroken
        }
        guard !isEnded else { return }
        // A few rows are read to the end; for many, another connection is cheaper.
        var patience = Patience(Patience.afterCancellation, isCancellable: false)
        try? await keepingTrack {
            while try await connection.next(&patience) != nil {}
        }
    }

    func notify(_ channel: String, _ payload: String, timeout: Duration) async throws {
        let notification: SQL = "SELECT pg_notify(\(channel), \(payload))"
        _ = try await run(Statement(notification, for: .postgres), timeout: timeout)
    }

    func lockMigrations(timeout: Duration) async throws {
        let lock: SQL = "SELECT pg_advisory_xact_lock(\(Self.migrationLock))"
        _ = try await run(Statement(lock, for: .postgres), timeout: timeout)
    }
}
