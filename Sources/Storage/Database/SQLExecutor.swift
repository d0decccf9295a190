/// What statements can be given to: a ``Database``, where each is a transaction of its own, or a ``Transaction``.
public protocol SQLExecutor: Sendable {
    /// Runs a statement, and returns all its rows at once.
    /// - Throws: ``DatabaseError``, `CancellationError`.
    func query(_ sql: SQL) async throws -> [Row]

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
