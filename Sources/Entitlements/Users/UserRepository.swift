public import Foundation
public import Storage

/// Users and their accounts.
public struct UserRepository: Sendable {
    let now: @Sendable () -> Date

    public init(now: @escaping @Sendable () -> Date = { Date() }) { self.now = now }

    /// The user with this id, made when there is none: for who brings a valid token.
    /// - Parameters:
    ///   - id: 1 to 200 characters, no white space; nil for a new one, `usr_…`.
    ///   - role: of a user that is made; one that is there keeps its own.
    /// - Throws: ``EntitlementError`` for an id that cannot be one.
    public func ensure(_ id: String? = nil, role: Role = .user, in transaction: Transaction) async throws -> User {
        let id = id ?? Identifier.make("usr_")
        if let user = try await find(id, in: transaction) { return user }
        guard (1...200).contains(id.unicodeScalars.count),
            id.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0.value != 0x7F && !$0.properties.isWhitespace })
        else {
            throw EntitlementError(validating: [
                .init(path: "userId", message: "must be 1 to 200 characters without white space")
            ])
        }
        try await transaction.execute(
            "INSERT INTO users (id, role, created_at) VALUES (\(id), \(role), \(now())) ON CONFLICT (id) DO NOTHING")
        try await transaction.execute(
            "INSERT INTO accounts (user_id) VALUES (\(id)) ON CONFLICT (user_id) DO NOTHING")
        guard let user = try await find(id, in: transaction) else { throw EntitlementError.notFound("user", id) }
        return user
    }

    public func find(_ id: String, in executor: some SQLExecutor) async throws -> User? {
        try await executor.find("SELECT \(User.columns) FROM users WHERE id = \(id)").map(User.init)
    }

    /// By id.
    /// - Parameters:
    ///   - cursor: of the page before.
    ///   - limit: 1 to 100.
    public func list(
        after cursor: String? = nil, limit: Int = 50, in executor: some SQLExecutor
    ) async throws -> Page<User> {
        let rows = try await executor.query(
            "SELECT \(User.columns) FROM users WHERE id > \(cursor ?? "") ORDER BY id LIMIT \(limit + 1)")
        return Page(try rows.map(User.init), limit: limit, cursor: \.id)
    }

    /// What users say of themselves.
    /// - Parameters:
    ///   - name: at most 100 characters; nil for none.
    ///   - walletAddress: at most 100 characters; nil for none.
    /// - Throws: ``EntitlementError``.
    public func setProfile(
        _ id: String, name: String?, walletAddress: String?, in executor: some SQLExecutor
    ) async throws -> User {
        let wrong = [("name", name), ("walletAddress", walletAddress)]
            .filter { !(1...100).contains($0.1?.unicodeScalars.count ?? 1) }
            .map { EntitlementError.Field(path: $0.0, message: "must be 1 to 100 characters, or null") }
        guard wrong.isEmpty else { throw EntitlementError(validating: wrong) }
        try await executor.execute(
            "UPDATE users SET name = \(name), wallet_address = \(walletAddress) WHERE id = \(id)")
        return try await required(id, in: executor)
    }

    public func setRole(
        _ id: String, to role: Role, by actor: String, in transaction: Transaction
    ) async throws -> User {
        try await transaction.execute("UPDATE users SET role = \(role) WHERE id = \(id)")
        let user = try await required(id, in: transaction)
        try await Audit.append(by: actor, "user.role", id, ["role": role], in: transaction)
        return user
    }

    /// Changes what a user may have. A balance is set by an entry in the ledger that makes up the difference.
    /// - Parameter actor: who does it.
    /// - Throws: ``EntitlementError`` when there is no such user or tier, or a number is out of range.
    public func setAccess(
        _ id: String, _ change: AccessChange, by actor: String, in transaction: Transaction
    ) async throws {
        try change.validate()
        // The user is read once the row is held: every column is written, and another change may be under way.
        var account = try await Account.locked(id, in: transaction)
        let user = try await required(id, in: transaction)
        if let tier = change.tier, try await TierRepository().find(tier, in: transaction) == nil {
            throw EntitlementError(validating: [.init(path: "tier", message: "there is no tier \(tier)")])
        }
        let suspendedAt = change.suspended.map { $0 ? user.suspendedAt ?? now() : nil } ?? user.suspendedAt
        try await transaction.execute(
            """
            UPDATE users SET tier = \(change.tier ?? user.tier), suspended_at = \(suspendedAt),
                executions_per_hour = \(change.executionsPerHour.value(over: user.executionsPerHour)),
                executions_per_day = \(change.executionsPerDay.value(over: user.executionsPerDay)),
                max_concurrent = \(change.maxConcurrent.value(over: user.maxConcurrent))
            WHERE id = \(id)
            """)
        account.monthlyLimitCents = change.monthlyLimitCents.value(over: account.monthlyLimitCents)
        if let balance = change.balanceCents, balance != account.balanceCents {
            try await Ledger(now: now).adjust(
                &account, by: balance - account.balanceCents, actor: actor, in: transaction)
        }
        try account.store(in: transaction)
        try await Audit.append(by: actor, "user.access", id, change, in: transaction)
    }

    private func required(_ id: String, in executor: some SQLExecutor) async throws -> User {
        guard let user = try await find(id, in: executor) else { throw EntitlementError.notFound("user", id) }
        return user
    }
}
