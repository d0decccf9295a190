import Foundation
public import Storage

extension UserRepository {
    /// What a user may do now.
    /// - Returns: nil when there is no such user.
    public func access(of id: String, in executor: some SQLExecutor) async throws -> Access? {
        try await executor.query(
            """
            SELECT \(Account.columns), \(User.columns), \(Tier.columns)
            FROM accounts AS account JOIN users ON users.id = account.user_id JOIN tiers ON tiers.number = users.tier
            WHERE account.user_id = \(id)
            """
        ).first.map { Access(try User($0), try Tier($0), try Account($0), at: now()) }
    }

    /// Takes executions from the day's quota in advance: they can be run until then, also after midnight, and lapse.
    /// - Parameters:
    ///   - count: from 1.
    ///   - seconds: how long they are kept.
    /// - Returns: what is reserved.
    /// - Throws: ``EntitlementError`` with `conflict` when there is a reservation already, or less is left today.
    public func reserveInAdvance(
        _ count: Int, of id: String, for seconds: Double = 24 * 3600, in transaction: Transaction
    ) async throws -> Access.Advance {
        guard count >= 1, seconds >= 1, seconds <= 7 * 24 * 3600 else {
            throw EntitlementError(validating: [
                .init(path: "count", message: "must be 1 or more, for at most 7 days")
            ])
        }
        let now = now()
        var account = try await Account.locked(id, in: transaction)
        guard let access = try await access(of: id, in: transaction) else {
            throw EntitlementError.notFound("user", id)
        }
        if let advance = access.advance {
            throw EntitlementError(
                .conflict,
                "\(advance.remaining) executions are reserved already until \(advance.until.timestamp): run them first")
        }
        guard count <= access.quota.remaining else {
            throw EntitlementError(
                .conflict,
                "\(count) executions cannot be reserved: \(access.quota.remaining) of today's \(access.quota.limit) are left"
            )
        }
        account.reserveInAdvance(count, until: now + seconds, at: now)
        try account.store(in: transaction)
        return Access.Advance(remaining: count, until: now + seconds)
    }
}
