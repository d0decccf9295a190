import NIOConcurrencyHelpers

/// A connection to PostgreSQL, leased.
final class PostgresSession: Session {
    /// The server ends a statement at its timeout. Beyond this it is the server, or the way to it, that hangs.
    private static let slack: Duration = .seconds(5)
    /// Held by who migrates; any number that no other program uses on this database.
    private static let migrationLock: Int64 = 0x5061_6464_6f63_6b31

    /// For how long a connection is believed to be there after its last answer. Beyond it, `BEGIN` is sent alone, so that
    /// one that is dead is found out within the time for a connection, and before anything else is sent.
    private static let belief: Duration = .seconds(1)

    private struct State {
        var isBroken = false
        var lastAnswer = ContinuousClock.now
        /// What begins the transaction, and is sent with its first statement.
        var opening: [Statement] = []
        /// Of the transaction that is under way.
        var announcements: [(channel: String, payload: String)] = []
        /// Of one that is committed, or may be.
        var committed: [(channel: String, payload: String)] = []
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
            state.withLockedValue { $0.lastAnswer = .now }
            return result
        } catch let error as DatabaseError where !error.isFateUnknown && connection.isOpen {
            isWhole = true
            throw error
        }
    }

    // MARK: Transactions

    var hasBegun: Bool { state.withLockedValue { $0.opening.isEmpty } }

    func begin(
        _ isolation: Transaction.Isolation, statementTimeout: Duration, until deadline: ContinuousClock.Instant
    ) async throws {
        let begin: StaticString =
            switch isolation {
            case .serializable: "BEGIN ISOLATION LEVEL SERIALIZABLE"
            case .readCommitted: "BEGIN ISOLATION LEVEL READ COMMITTED"
            }
        var opening = [Statement(command: begin)]
        if statementTimeout != usualTimeout {
            let setting: SQL = "SELECT set_config('statement_timeout', \(statementTimeout.milliseconds), true)"
            opening.append(try Statement(setting, for: .postgres))
        }
        let lastAnswer = state.withLockedValue { [opening] state in
            state.opening = opening
            return state.lastAnswer
        }
        if ContinuousClock.now - lastAnswer > Self.belief { _ = try await run([], Patience(until: deadline)) }
    }

    func commit(after statements: [Statement], timeout: Duration) async throws {
        do {
            try await sendCommit(after: statements, timeout: timeout)
        } catch let error as DatabaseError where error.isFateUnknown {
            noteCommit()
            throw error
        }
        noteCommit()
    }

    private func noteCommit() {
        state.withLockedValue { state in
            state.committed += state.announcements
            state.announcements = []
        }
    }

    /// What is to be sent, once.
    func takeAnnouncements() -> [(channel: String, payload: String)] {
        state.withLockedValue { state in
            defer { state.committed = [] }
            return state.committed
        }
    }

    private func sendCommit(after statements: [Statement], timeout: Duration) async throws {
        var statements = statements
        if !hasBegun {
            // A commit goes only to a server that is there: what is lost before it is not written.
            guard !statements.isEmpty else {
                // Nor is it sent with what the connection's next user says, who would not commit it.
                return state.withLockedValue { $0.opening = [] }
            }
            _ = try await run(statements, timeout: timeout)
            statements = []
        }
        statements.append(Statement(command: "COMMIT"))
        let completion = try await run(
            statements, Patience(timeout * statements.count + Self.slack, isCancellable: false))
        // With a statement that failed, COMMIT is a ROLLBACK, without an error.
        guard completion.tag == "COMMIT" else {
            throw DatabaseError(.transactionFailed, "nothing was written: a statement of the transaction had failed")
        }
    }

    func rollback() async {
        state.withLockedValue { state in
            state.opening = []
            state.announcements = []
        }
        guard !state.withLockedValue({ $0.isBroken }), connection.isInTransaction else { return }
        _ = try? await run([Statement(command: "ROLLBACK")], Patience(Self.slack, isCancellable: false))
    }

    // MARK: Statements

    func run(_ statements: [Statement], timeout: Duration) async throws -> Outcome {
        try await run(statements, Patience(timeout * statements.count + Self.slack)).outcome
    }

    /// With what begins the transaction, where that is not sent yet.
    private func run(_ statements: [Statement], _ patience: Patience) async throws -> PostgresConnection.Completion {
        var patience = patience
        let opening = state.withLockedValue { $0.opening }
        let completion = try await keepingTrack { try await connection.run(opening + statements, &patience) }
        state.withLockedValue { $0.opening = [] }
        return completion
    }

    func start(_ statement: Statement, timeout: Duration) async throws {
        if !hasBegun { _ = try await run([], timeout: timeout) }
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
                case .done, .skipped, .together: break
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

    func notify(_ channel: String, _ payload: String) throws -> Statement? {
        try Statement("SELECT pg_notify(\(channel), \(payload))", for: .postgres)
    }

    func announce(_ channel: String, _ payload: String) {
        state.withLockedValue { $0.announcements.append((channel, payload)) }
    }

    func lockMigrations() throws -> Statement? {
        try Statement("SELECT pg_advisory_xact_lock(\(Self.migrationLock))", for: .postgres)
    }
}
