import Crypto
public import Foundation
public import Storage

/// API keys. Of a key's text only a SHA-256 is stored: it is random, so nothing slower is needed.
public struct APIKeyRepository: Sendable {
    /// A key and its text, which is shown this once.
    public struct New: Sendable {
        public let key: APIKey
        /// `pdk_…`: the secret.
        public let text: String
    }

    /// Seconds within which a second use is not noted.
    private static let useGrain = 60.0

    private let now: @Sendable () -> Date

    public init(now: @escaping @Sendable () -> Date = { Date() }) { self.now = now }

    /// Makes a key for a user.
    /// - Parameters:
    ///   - name: 1 to 100 characters.
    ///   - role: nil for the user's; not more than it.
    ///   - scopes: empty for everything.
    ///   - requestLimit: requests per window; nil for the server's limit, 0 for none.
    ///   - expiresAt: nil for good.
    ///   - actor: who makes it.
    /// - Throws: ``EntitlementError``.
    public func create(
        userID: String, name: String, role: Role? = nil, scopes: [String] = [], requestLimit: Int? = nil,
        expiresAt: Date? = nil, by actor: String, in transaction: Transaction
    ) async throws -> New {
        guard let user = try await UserRepository().find(userID, in: transaction) else {
            throw EntitlementError.notFound("user", userID)
        }
        let role = role ?? user.role
        var wrong: [EntitlementError.Field] = []
        if !(1...100).contains(name.unicodeScalars.count) {
            wrong.append(.init(path: "name", message: "must be 1 to 100 characters"))
        }
        if role.rank > user.role.rank {
            wrong.append(.init(path: "role", message: "\(role.rawValue) is more than the user's \(user.role.rawValue)"))
        }
        if let requestLimit, requestLimit < 0 {
            wrong.append(.init(path: "requestLimit", message: "must be 0 or more"))
        }
        if let expiresAt, expiresAt <= now() { wrong.append(.init(path: "expiresAt", message: "is in the past")) }
        if scopes.count > 32 || scopes.contains(where: { !(1...64).contains($0.unicodeScalars.count) }) {
            wrong.append(.init(path: "scopes", message: "must be at most 32, of 1 to 64 characters each"))
        }
        guard wrong.isEmpty else { throw EntitlementError(validating: wrong) }
        let (id, text) = (Identifier.make("key_"), APIKeyText())
        let rows = try await transaction.query(
            """
            INSERT INTO api_keys
                (id, user_id, name, prefix, hash, role, scopes, request_limit, created_at, expires_at)
            VALUES (\(id), \(userID), \(name), \(text.prefix), \(Self.hash(text.text)), \(role), \(JSONColumn(scopes)),
                \(requestLimit), \(now()), \(expiresAt))
            RETURNING \(APIKey.columns)
            """)
        guard let row = rows.first else { throw EntitlementError.notFound("key", id) }
        let key = try APIKey(row)
        try await Audit.append(by: actor, "key.created", id, key, in: transaction)
        return New(key: key, text: text.text)
    }

    /// Gives a key another secret; the old one is good no more. A revoked one stays revoked.
    /// - Throws: ``EntitlementError`` when there is no such key, or it was revoked.
    public func regenerate(_ id: String, by actor: String, in transaction: Transaction) async throws -> New {
        let text = APIKeyText()
        let rows = try await transaction.query(
            """
            UPDATE api_keys SET prefix = \(text.prefix), hash = \(Self.hash(text.text)), last_used_at = NULL
            WHERE id = \(id) AND revoked_at IS NULL RETURNING \(APIKey.columns)
            """)
        guard let row = rows.first else { throw EntitlementError.notFound("key that is not revoked", id) }
        let key = try APIKey(row)
        try await Audit.append(by: actor, "key.regenerated", id, key, in: transaction)
        return New(key: key, text: text.text)
    }

    /// Ends a key; the next request with it is refused.
    /// - Returns: false when there is no such key, or it was revoked already.
    public func revoke(_ id: String, by actor: String, in transaction: Transaction) async throws -> Bool {
        let changed = try await transaction.execute(
            "UPDATE api_keys SET revoked_at = \(now()) WHERE id = \(id) AND revoked_at IS NULL")
        guard changed == 1 else { return false }
        try await Audit.append(by: actor, "key.revoked", id, [String: String](), in: transaction)
        return true
    }

    public func find(_ id: String, in executor: some SQLExecutor) async throws -> APIKey? {
        try await executor.query("SELECT \(APIKey.columns) FROM api_keys WHERE id = \(id)").first.map(APIKey.init)
    }

    /// Oldest first.
    /// - Parameters:
    ///   - userID: nil for all.
    ///   - cursor: of the page before.
    ///   - limit: 1 to 100.
    public func list(
        userID: String? = nil, after cursor: String? = nil, limit: Int = 50, in executor: some SQLExecutor
    ) async throws -> Page<APIKey> {
        let ofUser: SQL = userID.map { "AND user_id = \($0)" } ?? ""
        let rows = try await executor.query(
            """
            SELECT \(APIKey.columns) FROM api_keys WHERE id > \(cursor ?? "") \(ofUser) ORDER BY id LIMIT \(limit + 1)
            """)
        return Page(try rows.map(APIKey.init), limit: limit, cursor: \.id)
    }

    /// Who a key's text is for, and with which role: a key has no more rights than its user has now.
    /// - Returns: nil for text that is no key, or one that is unknown, has expired, or was revoked.
    public func authenticate(_ text: String, in executor: some SQLExecutor) async throws -> APIKey? {
        guard let given = APIKeyText(text) else { return nil }
        let found = try await executor.find(
            """
            SELECT \(APIKey.columns), hash, (SELECT role FROM users WHERE users.id = api_keys.user_id) AS user_role
            FROM api_keys WHERE prefix = \(given.prefix)
            """)
        guard let row = found else { return nil }
        let stored: [UInt8] = try row["hash"]
        let (userRole, now): (Role, Date) = (try row["user_role"], now())
        var key = try APIKey(row)
        if userRole.rank < key.role.rank { key.role = userRole }
        guard Self.isEqual(stored, Self.hash(text)), key.isGood(at: now) else { return nil }
        if key.lastUsedAt.map({ $0 <= now - Self.useGrain }) ?? true {
            try await executor.execute("UPDATE api_keys SET last_used_at = \(now) WHERE id = \(key.id)")
        }
        return key
    }

    private static func hash(_ text: String) -> [UInt8] { Array(SHA256.hash(data: Array(text.utf8))) }

    /// In the same time wherever they differ.
    private static func isEqual(_ one: [UInt8], _ other: [UInt8]) -> Bool {
        guard one.count == other.count else { return false }
        var difference: UInt8 = 0
        for index in one.indices { difference |= one[index] ^ other[index] }
        return difference == 0
    }
}

extension Role {
    /// A higher one may do more.
    var rank: Int {
        switch self {
        case .user: 0
        case .developer: 1
        case .admin: 2
        }
    }
}
