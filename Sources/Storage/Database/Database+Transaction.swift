import Logging

extension Database {
    /// Runs `body` in a transaction: committed when it returns, rolled back when it throws or the task is cancelled.
    ///
    /// `body` runs again, up to ``Configuration/attempts`` times, when other transactions were in its way: it should do
    /// nothing but work in the database. After a statement has failed the transaction can only be rolled back, on both
    /// databases: use `ON CONFLICT` where a failure is expected.
    /// - Parameter isUrgent: it gets a connection before all who wait for one: for heartbeats.
    /// - Throws: ``DatabaseError``, `CancellationError`, and what `body` throws. Nothing is written then, but with code
    ///   `commit_unknown`.
    @discardableResult
    public func transaction<Result: Sendable>(
        isolation: Transaction.Isolation = .serializable, isUrgent: Bool = false,
        _ body: (Transaction) async throws -> Result
    ) async throws -> Result {
        try await transaction(
            isolation: isolation, isUrgent: isUrgent, statementTimeout: configuration.statementTimeout,
            acquireTimeout: configuration.acquireTimeout, body)
    }

    func transaction<Result: Sendable>(
        isolation: Transaction.Isolation, isUrgent: Bool = false, statementTimeout: Duration, acquireTimeout: Duration,
        _ body: (Transaction) async throws -> Result
    ) async throws -> Result {
        var backoff = Self.newBackoff
        var attempt = 1
        var deadline = ContinuousClock.now + acquireTimeout
        while true {
            do {
                return try await attemptTransaction(
                    isolation: isolation, isUrgent: isUrgent, statementTimeout: statementTimeout, until: deadline, body)
            } catch let unheard as Unheard {
                guard ContinuousClock.now < deadline else {
                    DatabaseMetrics.failed(unheard.error)
                    throw unheard.error
                }
                try await Task.sleep(for: backoff.next())
            } catch let conflict as Conflict {
                guard attempt < configuration.attempts else {
                    DatabaseMetrics.failed(conflict.error)
                    throw conflict.error
                }
                DatabaseMetrics.retried()
                logger.debug("transaction tried again", metadata: ["paddock.storage.attempt": "\(attempt)"])
                try await Task.sleep(for: backoff.next())
                attempt += 1
                deadline = .now + acquireTimeout
            } catch {
                DatabaseMetrics.failed(error)
                throw error
            }
        }
    }

    /// Others were in the way: nothing is written, and it can be tried again.
    private struct Conflict: Error {
        let error: any Error
    }

    /// The connection had died unnoticed: the database has heard nothing, and another connection can be tried.
    private struct Unheard: Error {
        let error: DatabaseError
    }

    private func attemptTransaction<Result: Sendable>(
        isolation: Transaction.Isolation, isUrgent: Bool, statementTimeout: Duration,
        until deadline: ContinuousClock.Instant, _ body: (Transaction) async throws -> Result
    ) async throws -> Result {
        let session = try await begin(
            isolation, isUrgent: isUrgent, statementTimeout: statementTimeout, until: deadline)
        defer { release(session) }
        let transaction = Transaction(session: session, dialect: driver.dialect, statementTimeout: statementTimeout)
        let result: Result
        do {
            result = try await body(transaction)
            try Task.checkCancellation()
        } catch {
            let end = transaction.end()
            let hasBegun = session.hasBegun
            await session.rollback()
            if case .failed(let cause) = end {
                if !hasBegun, let cause = cause as? DatabaseError, cause.isFateUnknown { throw Unheard(error: cause) }
                if cause.isConflict { throw Conflict(error: error) }
            }
            throw error
        }
        switch transaction.end() {
        case .failed(let cause):
            await session.rollback()
            if cause.isConflict { throw Conflict(error: cause) }
            throw DatabaseError(
                .transactionFailed, "nothing was written: a statement of the transaction had failed", cause: cause)
        case .open(let later):
            do {
                try await session.commit(after: later, timeout: statementTimeout)
            } catch {
                let hasBegun = session.hasBegun
                await session.rollback()
                if error.isConflict { throw Conflict(error: error) }
                guard let error = error as? DatabaseError else { throw error }
                if !hasBegun, error.isFateUnknown { throw Unheard(error: error) }
                throw error.ofCommit
            }
        }
        return result
    }

    /// A connection may have died unnoticed. Nothing has been sent before `BEGIN`, so another one is tried.
    private func begin(
        _ isolation: Transaction.Isolation, isUrgent: Bool, statementTimeout: Duration,
        until deadline: ContinuousClock.Instant
    ) async throws -> any Session {
        var backoff = Self.newBackoff
        while true {
            let session = try await acquire(.write, isUrgent: isUrgent, until: deadline)
            do {
                try await session.begin(isolation, statementTimeout: statementTimeout, until: deadline)
                return session
            } catch {
                await session.rollback()
                release(session)
                guard let error = error as? DatabaseError, error.isFateUnknown, ContinuousClock.now < deadline else {
                    throw error
                }
                try await Task.sleep(for: backoff.next())
            }
        }
    }

    private static var newBackoff: Backoff { Backoff(first: .milliseconds(5), longest: .milliseconds(200)) }
}

extension Error {
    fileprivate var isConflict: Bool { (self as? DatabaseError)?.code == .transactionConflict }
}
