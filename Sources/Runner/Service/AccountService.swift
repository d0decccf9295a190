public import Entitlements
public import Foundation
public import Storage

/// Users, keys, rights and what everybody may have, for whoever asks for them.
public struct AccountService: Sendable {
    /// The user that the first start makes.
    public static let firstAdmin = "usr_admin"

    private let database: Database
    private let users = UserRepository()
    private let keys = APIKeyRepository()
    private let grants = GrantRepository()
    private let gate = Gate()

    public init(database: Database) { self.database = database }

    // MARK: Users

    /// - Throws: ``Refusal`` with `not_found`.
    public func user(_ id: String) async throws -> User {
        guard let user = try await users.find(id, in: database) else { throw Self.notFound("user", id) }
        return user
    }

    /// What a user's webhooks are signed with.
    public func webhookSecret(of id: String) async throws -> String {
        try await Webhooks(database).secret(of: id).description
    }

    /// What became of webhooks.
    public func webhooks(
        _ filter: Webhooks.Filter, after cursor: String?, limit: Int
    ) async throws -> (deliveries: [WebhookDelivery], nextCursor: String?) {
        try await Webhooks(database).deliveries(filter, after: cursor, limit: limit)
    }

    /// Gives every user another secret for their webhooks. The old ones sign too, for a day.
    public func rotateWebhookKey(by actor: String) async throws {
        try await database.transaction(isolation: .readCommitted) { transaction in
            try await Webhooks.rotateKey(in: transaction)
            try await note("webhooks.rotated", "webhooks", by: actor, [:], in: transaction)
        }
    }

    public func users(after cursor: String?, limit: Int) async throws -> Page<User> {
        try await users.list(after: cursor, limit: limit, in: database)
    }

    /// The user that a valid token names, made when there is none.
    public func ensure(_ id: String, role: Role) async throws -> User {
        if let user = try await users.find(id, in: database) { return user }
        return try await database.transaction(isolation: .readCommitted) { transaction in
            let user = try await users.ensure(id, role: role, in: transaction)
            try await note("user.created", id, by: id, ["role": .string(user.role.rawValue)], in: transaction)
            return user
        }
    }

    public func setProfile(_ id: String, name: String?, walletAddress: String?) async throws -> User {
        try await users.setProfile(id, name: name, walletAddress: walletAddress, in: database)
    }

    public func access(of id: String) async throws -> Access {
        guard let access = try await users.access(of: id, in: database) else { throw Self.notFound("user", id) }
        return access
    }

    public func setAccess(_ id: String, _ change: AccessChange, by actor: String) async throws -> Access {
        try await database.transaction(isolation: .readCommitted) { transaction in
            try await users.setAccess(id, change, by: actor, in: transaction)
        }
        return try await access(of: id)
    }

    // MARK: Keys

    /// - Throws: `EntitlementError`.
    public func createKey(
        for userID: String, name: String, role: Role? = nil, scopes: [String] = [], requestLimit: Int?,
        expiresAt: Date?, by actor: String
    ) async throws -> APIKeyRepository.New {
        try await database.transaction(isolation: .readCommitted) { transaction in
            try await keys.create(
                userID: userID, name: name, role: role, scopes: scopes, requestLimit: requestLimit,
                expiresAt: expiresAt, by: actor, in: transaction)
        }
    }

    public func keys(of userID: String?, after cursor: String?, limit: Int) async throws -> Page<APIKey> {
        try await keys.list(userID: userID, after: cursor, limit: limit, in: database)
    }

    /// - Parameter userID: whose it must be; nil for anybody's.
    /// - Throws: ``Refusal`` with `not_found`, also for one that was revoked before.
    public func revokeKey(_ id: String, of userID: String?, by actor: String) async throws {
        guard let key = try await keys.find(id, in: database), userID == nil || key.userID == userID else {
            throw Self.notFound("key", id)
        }
        let isRevoked = try await database.transaction(isolation: .readCommitted) { transaction in
            try await keys.revoke(id, by: actor, in: transaction)
        }
        guard isRevoked else { throw Self.notFound("key", id) }
    }

    /// Who a key's text is for; nil for one that is not good.
    public func authenticate(key text: String) async throws -> APIKey? {
        try await keys.authenticate(text, in: database)
    }

    /// The first start: where there is no user yet, an administrator and a key without a limit of requests.
    /// - Returns: the key's text; nil where there are users.
    public func makeFirstAdmin() async throws -> String? {
        try await database.transaction { transaction in
            guard try await users.list(limit: 1, in: transaction).elements.isEmpty else { return nil }
            let admin = try await users.ensure(Self.firstAdmin, role: .admin, in: transaction)
            let new = try await keys.create(
                userID: admin.id, name: "first", requestLimit: 0, by: "paddock", in: transaction)
            try await note("user.created", admin.id, by: "paddock", ["role": .string("admin")], in: transaction)
            return new.text
        }
    }

    // MARK: Rights

    public func grants(
        userID: String?, agentID: String?, after cursor: String?, limit: Int
    ) async throws -> Page<Grant> {
        try await grants.list(userID: userID, agentID: agentID, after: cursor, limit: limit, in: database)
    }

    public func grant(
        userID: String, agentID: String, expiresAt: Date?, uses: Int?, by actor: String
    ) async throws -> Grant {
        try await database.transaction(isolation: .readCommitted) { transaction in
            try await grants.grant(
                userID: userID, agentID: agentID, expiresAt: expiresAt, usesLimit: uses, by: actor, in: transaction)
        }
    }

    /// - Throws: ``Refusal`` with `not_found` when there was none.
    public func revoke(userID: String, agentID: String, by actor: String) async throws {
        let count = try await database.transaction(isolation: .readCommitted) { transaction in
            try await grants.revoke(userID: userID, agentID: agentID, by: actor, in: transaction)
        }
        guard count > 0 else { throw Self.notFound("entitlement", "of \(userID) to \(agentID)") }
    }

    // MARK: Everybody

    /// Stops or starts admitting. Again changes nothing.
    public func setPaused(_ isPaused: Bool, by actor: String, reason: String?) async throws {
        try await database.transaction(isolation: .readCommitted) { transaction in
            if isPaused {
                try await gate.pause(by: actor, reason: reason, in: transaction)
            } else {
                try await gate.resume(by: actor, in: transaction)
            }
        }
    }

    /// A page of the audit trail, oldest first, and the cursor of the next one.
    public func audit(
        after sequence: Int64, subject: String?, limit: Int
    ) async throws -> (entries: [AuditEntry], nextCursor: String?) {
        let found = try await AuditTrail(database).entries(after: sequence, subject: subject, limit: limit + 1)
        let page = Array(found.prefix(limit))
        return (page, found.count > limit ? page.last.map { String($0.sequence) } : nil)
    }

    private func note(
        _ action: String, _ subject: String, by actor: String, _ detail: [String: JSONValue],
        in transaction: Transaction
    ) async throws {
        try await AuditLog.append(
            actor: actor, action: action, subject: subject, detail: JSONValue.object(detail).text, in: transaction)
    }

    private static func notFound(_ what: String, _ id: String) -> Refusal {
        Refusal(.notFound, "there is no \(what) \(id)")
    }
}
