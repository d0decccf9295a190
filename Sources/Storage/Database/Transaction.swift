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
        /// Can transition to: reading, failed, ended.
        case open
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
    private let state = NIOLockedValueBox(State.open)

    init(session: any Session, dialect: Dialect, statementTimeout: Duration) {
        self.session = session
        self.dialect = dialect
        self.statementTimeout = statementTimeout
    }

    public func query(_ sql: SQL) async throws -> [Row] {
        let statement = try Statement(sql, for: dialect)
        return try await guarded { try await $0.run(statement, timeout: $1).rows }
    }

    @discardableResult
    public func execute(_ sql: SQL) async throws -> Int {
        let statement = try Statement(sql, for: dialect)
        return try await guarded { try await $0.run(statement, timeout: $1).changes }
    }

    public func forEach(_ sql: SQL, _ body: (Row) async throws -> Void) async throws {
        let statement = try Statement(sql, for: dialect)
        try await guarded { try await $0.start(statement, timeout: $1) }
        state.withLockedValue { if case .open = $0 { $0 = .reading } }
        do {
            try await session.forEachRow(body)
        } catch {
            // Also what `body` throws: PostgreSQL's connection cannot go on in the middle of an answer.
            fail(error)
            throw error
        }
        state.withLockedValue { if case .reading = $0 { $0 = .open } }
    }

    /// Sends to those who listen to the channel, once the transaction is committed, and never otherwise. Two that are
    /// the same in one transaction may arrive as one.
    /// - Parameter payload: an id and not the data: at most 1,000 bytes.
    /// - Throws: ``DatabaseError``, `CancellationError`.
    public func notify(_ channel: StaticString, _ payload: String) async throws {
        guard payload.utf8.count <= 1000, !payload.utf8.contains(0) else {
            throw DatabaseError(
                .invalidValue,
                "a notification is at most 1,000 bytes without U+0000: send an id, and keep the data in a table")
        }
        try await guarded { try await $0.notify(channel.description, payload, timeout: $1) }
    }

    /// Holds back every other migration of this database until this transaction ends.
    func lockMigrations() async throws {
        try await guarded { try await $0.lockMigrations(timeout: $1) }
    }

    private func guarded<Result: Sendable>(
        _ operation: (any Session, Duration) async throws -> Result
    ) async throws -> Result {
        try checkUsable()
        try Task.checkCancellation()
        do {
            return try await operation(session, statementTimeout)
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

    /// Lets nothing more in. Called once, when the closure is done.
    /// - Returns: the error of the statement that has failed, if one has.
    func end() -> (any Error)? {
        state.withLockedValue { state in
            defer { state = .ended }
            if case .failed(let error) = state { return error }
            return nil
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
