import NIOConcurrencyHelpers

/// A transaction that is under way; see ``Database/transaction(isolation:_:)``.
public final class Transaction: SQLExecutor {
    /// How it is kept apart from others on PostgreSQL. On SQLite transactions that can write never overlap.
    public enum Isolation: Sendable {
        /// As if all transactions ran one after the other: what is right on SQLite is right.
        case serializable
        /// Each statement sees what is committed when it starts. For a single statement that locks the rows it needs,
        /// such as a claim with ``SQLWord/forUpdateSkipLocked``: it is not disturbed by others.
        case readCommitted
    }

    private enum State {
        /// With the statements that nobody waits for, which are not sent yet. Can transition to: reading, failed, ended.
        case open(later: [Statement])
        /// Rows are being read, and no other statement can run. Can transition to: open, failed, ended.
        case reading
        /// A statement has failed: PostgreSQL runs no other, and neither do we on SQLite. Can transition to: ended.
        case failed(any Error)
        /// The last state.
        case ended
    }

    private let session: any Session
    private let dialect: Dialect
    private let statementTimeout: Duration
    private let state = NIOLockedValueBox(State.open(later: []))

    init(session: any Session, dialect: Dialect, statementTimeout: Duration) {
        self.session = session
        self.dialect = dialect
        self.statementTimeout = statementTimeout
    }

    public func query(_ sql: SQL) async throws -> [Row] { try await run(sql).rows }

    @discardableResult
    public func execute(_ sql: SQL) async throws -> Int { try await run(sql).changes }

    /// Runs a statement whose answer nobody waits for: a lock, or a row that is written. It is sent with the next one
    /// that is waited for, or with the commit, and runs before it; so a transaction takes fewer trips to the server.
    ///
    /// What it fails with is thrown there, and names it. Nothing after it has run then, and nothing is committed.
    /// - Throws: ``DatabaseError`` for a value that cannot be stored, or a transaction that cannot go on.
    public func executeLater(_ sql: SQL) throws {
        let statement = try Statement(sql, for: dialect)
        try later(statement)
    }

    public func forEach(_ sql: SQL, _ body: (Row) async throws -> Void) async throws {
        let statement = try Statement(sql, for: dialect)
        try await guarded { later in
            if !later.isEmpty { _ = try await session.run(later, timeout: statementTimeout) }
            try await session.start(statement, timeout: statementTimeout)
        }
        state.withLockedValue { if case .open = $0 { $0 = .reading } }
        do {
            try await session.forEachRow(body)
        } catch {
            // Also what `body` throws: PostgreSQL's connection cannot go on in the middle of an answer.
            fail(error)
            throw error
        }
        state.withLockedValue { if case .reading = $0 { $0 = .open(later: []) } }
    }

    /// Sends to those who listen to the channel, once the transaction is committed, and never otherwise. Two that are
    /// the same in one transaction may arrive as one.
    /// - Parameter payload: an id and not the data: at most 1,000 bytes.
    /// - Throws: ``DatabaseError``, `CancellationError`.
    public func notify(_ channel: StaticString, _ payload: String) async throws {
        try check(payload)
        if let statement = try session.notify(channel.description, payload) { try later(statement) }
    }

    /// As ``notify(_:_:)``, for what changes often: on PostgreSQL it comes some milliseconds after the commit, together
    /// with what others announce, and costs this transaction nothing. It is lost when this process dies in between, or
    /// the database goes away: who listens looks into the tables now and then.
    /// - Throws: ``DatabaseError``.
    public func announce(_ channel: StaticString, _ payload: String) throws {
        try check(payload)
        session.announce(channel.description, payload)
    }

    private func check(_ payload: String) throws {
        guard payload.utf8.count <= 1000, !payload.utf8.contains(0) else {
            throw DatabaseError(
                .invalidValue,
                "a notification is at most 1,000 bytes without U+0000: send an id, and keep the data in a table")
        }
        try checkUsable()
    }

    /// Holds back every other migration of this database until this transaction ends.
    func lockMigrations() throws {
        if let statement = try session.lockMigrations() { try later(statement) }
    }

    // MARK: Running

    private func run(_ sql: SQL) async throws -> Outcome {
        let statement = try Statement(sql, for: dialect)
        return try await guarded { later in
            try await session.run(later + [statement], timeout: statementTimeout)
        }
    }

    private func later(_ statement: Statement) throws {
        try checkUsable()
        state.withLockedValue { state in
            if case .open(let later) = state { state = .open(later: later + [statement]) }
        }
    }

    /// - Parameter operation: is given what was to run later, and runs it first.
    private func guarded<Result: Sendable>(
        _ operation: ([Statement]) async throws -> Result
    ) async throws -> Result {
        try checkUsable()
        try Task.checkCancellation()
        let later = state.withLockedValue { state -> [Statement] in
            guard case .open(let later) = state else { return [] }
            state = .open(later: [])
            return later
        }
        do {
            return try await operation(later)
        } catch {
            fail(error)
            throw error
        }
    }

    private func fail(_ error: any Error) {
        state.withLockedValue { state in
            switch state {
            case .open, .reading: state = .failed(error)
            case .failed, .ended: break
            }
        }
    }

    private func checkUsable() throws {
        let problem: DatabaseError? = state.withLockedValue { state in
            switch state {
            case .open: nil
            case .reading:
                DatabaseError(.transactionFailed, "a statement cannot run while the rows of another one are being read")
            case .failed(let error):
                DatabaseError(
                    .transactionFailed, "a statement of this transaction has failed, and it can only be rolled back",
                    cause: error)
            case .ended: DatabaseError(.transactionFailed, "the transaction has ended, and was used after that")
            }
        }
        if let problem { throw problem }
    }

    /// How it has ended.
    enum End {
        /// It can be committed, after these statements.
        case open(later: [Statement])
        /// It can only be rolled back, because of a statement that has failed.
        case failed(any Error)
    }

    /// Lets nothing more in. Called once, when the closure is done.
    func end() -> End {
        state.withLockedValue { state in
            defer { state = .ended }
            switch state {
            case .failed(let error): return .failed(error)
            case .open(let later): return .open(later: later)
            case .reading, .ended: return .open(later: [])
            }
        }
    }
}

extension Session {
    /// Hands the rows of a statement that was started to `body`, and ends it.
    func forEachRow(_ body: (Row) async throws -> Void) async throws {
        do {
            while true {
                let rows = try await fetch()
                if rows.isEmpty { break }
                for row in rows {
                    try Task.checkCancellation()
                    try await body(row)
                }
            }
        } catch {
            await endRows()
            throw error
        }
        await endRows()
    }
}
