/// What statements can be given to: a ``Database``, where each is a transaction of its own, or a ``Transaction``.
public protocol SQLExecutor: Sendable {
    /// Runs a statement, and returns all its rows at once.
    /// - Throws: ``DatabaseError``, `CancellationError`.
    func query(_ sql: SQL) async throws -> [Row]

    /// The first row of what a statement reads by a key: so little that SQLite does it on the caller's thread, as waking
    /// another one takes several times as long.
    /// - Throws: ``DatabaseError``, `CancellationError`.
    func find(_ sql: SQL) async throws -> Row?

    /// Runs a statement.
    /// - Returns: how many rows an `INSERT`, `UPDATE` or `DELETE` has changed; 0 for other statements.
    /// - Throws: ``DatabaseError``, `CancellationError`.
    @discardableResult
    func execute(_ sql: SQL) async throws -> Int

    /// Runs a statement whose rows are read as `body` takes them: at most 256 of them, or somewhat more than 1 MiB,
    /// are in memory. In `body` no other statement can run on the same transaction. The statement's timeout covers the
    /// whole, `body` too.
    /// - Throws: ``DatabaseError``, `CancellationError`, and what `body` throws.
    func forEach(_ sql: SQL, _ body: (Row) async throws -> Void) async throws
}

extension SQLExecutor {
    public func find(_ sql: SQL) async throws -> Row? { try await query(sql).first }
}
