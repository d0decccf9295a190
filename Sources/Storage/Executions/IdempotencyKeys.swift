/// Which request a user's `Idempotency-Key` was first given with.
public struct IdempotencyKeys: Sendable {
    /// What is known of a key.
    public enum Claim: Sendable, Equatable {
        /// It is the caller's from now on, if the transaction is committed.
        case new
        /// The same request has made this execution.
        case known(executionID: String)
        /// It belongs to another request.
        case mismatch
    }

    /// How long a key is remembered: a day.
    static let lifetime: Duration = .seconds(24 * 3600)

    public init() {}

    /// Takes a key for a request. While another transaction is taking the same one, this waits for its end.
    /// - Parameter fingerprint: of the request's body.
    public func claim(
        _ key: String, of userID: String, fingerprint: [UInt8], for executionID: String, in transaction: Transaction
    ) async throws -> Claim {
        try transaction.executeLater(
            """
            DELETE FROM idempotency_keys WHERE user_id = \(userID) AND idempotency_key = \(key)
                AND created_at < \(.now) - \(Self.lifetime.wholeMilliseconds)
            """)
        let inserted = try await transaction.execute(
            """
            INSERT INTO idempotency_keys (user_id, idempotency_key, fingerprint, execution_id, created_at)
            VALUES (\(userID), \(key), \(fingerprint), \(executionID), \(.now))
            ON CONFLICT (user_id, idempotency_key) DO NOTHING
            """)
        if inserted == 1 { return .new }
        let rows = try await transaction.query(
            """
            SELECT fingerprint, execution_id FROM idempotency_keys
            WHERE user_id = \(userID) AND idempotency_key = \(key)
            """)
        guard let row = rows.first else { return .mismatch }
        return try row["fingerprint"] == fingerprint ? .known(executionID: row["execution_id"]) : .mismatch
    }

    /// What is known of a key now, without taking it: ``Claim/new`` for one that nobody has.
    public func find(
        _ key: String, of userID: String, fingerprint: [UInt8], in executor: some SQLExecutor
    ) async throws -> Claim {
        let rows = try await executor.query(
            """
            SELECT fingerprint, execution_id FROM idempotency_keys
            WHERE user_id = \(userID) AND idempotency_key = \(key)
                AND created_at >= \(.now) - \(Self.lifetime.wholeMilliseconds)
            """)
        guard let row = rows.first else { return .new }
        return try row["fingerprint"] == fingerprint ? .known(executionID: row["execution_id"]) : .mismatch
    }

    /// Gives a key back that this transaction has taken: what it was for was denied.
    public func release(_ key: String, of userID: String, in transaction: Transaction) async throws {
        try await transaction.execute(
            "DELETE FROM idempotency_keys WHERE user_id = \(userID) AND idempotency_key = \(key)")
    }

    /// Forgets keys that are too old to count.
    public func removeExpired(in executor: some SQLExecutor) async throws {
        try await executor.execute(
            "DELETE FROM idempotency_keys WHERE created_at < \(.now) - \(Self.lifetime.wholeMilliseconds)")
    }
}
