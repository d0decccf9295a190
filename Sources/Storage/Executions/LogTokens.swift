public import Foundation

/// Tokens that read one execution's log and nothing else, for clients that cannot send headers. Only their hashes are
/// stored.
public struct LogTokens: Sendable {
    /// What a token is good for.
    public struct Right: Sendable, Equatable {
        public let executionID: String
        /// Who made it.
        public let userID: String

        public init(executionID: String, userID: String) {
            self.executionID = executionID
            self.userID = userID
        }
    }

    public init() {}

    /// - Parameter hash: of the token.
    public func store(
        _ hash: [UInt8], _ right: Right, until expiry: Date, in executor: some SQLExecutor
    ) async throws {
        try await executor.execute(
            """
            INSERT INTO log_tokens (hash, execution_id, user_id, expires_at)
            VALUES (\(hash), \(right.executionID), \(right.userID), \(expiry))
            """)
    }

    /// - Returns: nil for a token that is none, or none any more.
    public func find(_ hash: [UInt8], at now: Date, in executor: some SQLExecutor) async throws -> Right? {
        try await executor.query(
            "SELECT execution_id, user_id FROM log_tokens WHERE hash = \(hash) AND expires_at > \(now)"
        ).first.map { Right(executionID: try $0["execution_id"], userID: try $0["user_id"]) }
    }

    public func removeExpired(at now: Date, in executor: some SQLExecutor) async throws {
        try await executor.execute("DELETE FROM log_tokens WHERE expires_at <= \(now)")
    }
}
