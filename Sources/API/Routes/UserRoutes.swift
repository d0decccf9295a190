import Entitlements
import Foundation
import Hummingbird
import Runner

/// Users, and what they may do.
struct UserRoutes {
    let services: APIServices

    var routes: [Route] {
        [
            .get("/users/me", .user(.account), me),
            .put("/users/me", .user(.account), updateMe),
            .get("/users/me/access", .user(.account), myAccess),
            .get("/users/me/entitlements", .user(.account), myEntitlements),
            .get("/users", .admin, list),
            .get("/users/{id}/access", .admin, access),
            .put("/users/{id}/access", .admin, updateAccess),
        ]
    }

    private var accounts: AccountService { services.accounts }

    @Sendable
    private func me(_ call: Call) async throws -> Response {
        let caller = try call.caller
        let secret = try await accounts.webhookSecret(of: caller.userID)
        return try .json(
            UserDocument(try await accounts.user(caller.userID), role: caller.role, webhookSecret: secret))
    }

    @Sendable
    private func updateMe(_ call: Call) async throws -> Response {
        let caller = try call.caller
        let body = try await call.body("name", "walletAddress")
        let before = try await accounts.user(caller.userID)
        let name = body.has("name") ? body.string("name", 1...100) : before.name
        let wallet = body.has("walletAddress") ? body.string("walletAddress", 1...100) : before.walletAddress
        try body.check()
        let user = try await accounts.setProfile(caller.userID, name: name, walletAddress: wallet)
        return try .json(UserDocument(user, role: caller.role))
    }

    @Sendable
    private func list(_ call: Call) async throws -> Response {
        let page = try await accounts.users(after: try call.cursor(), limit: try call.limit())
        return try .json(
            List(users: page.elements.map { UserDocument($0, role: $0.role) }, nextCursor: page.nextCursor))
    }

    private struct List: Encodable {
        let users: [UserDocument]
        @Nullable var nextCursor: String?
    }

    @Sendable
    private func myAccess(_ call: Call) async throws -> Response {
        try .json(AccessDocument(try await accounts.access(of: try call.caller.userID)))
    }

    @Sendable
    private func access(_ call: Call) async throws -> Response {
        try .json(AccessDocument(try await accounts.access(of: try call.parameter("id"))))
    }

    @Sendable
    private func updateAccess(_ call: Call) async throws -> Response {
        let body = try await call.body(
            "tier", "suspended", "balanceCents", "monthlyLimitCents", "executionsPerHour", "executionsPerDay",
            "maxConcurrent")
        let money = 0...1_000_000_000_000
        let count = 0...1_000_000
        func field(_ key: String, _ range: ClosedRange<Int>) -> AccessChange.Field<Int> {
            body.has(key) ? .set(body.integer(key, range)) : .kept
        }
        var change = AccessChange()
        change.tier = body.integer("tier", 1...1000)
        change.suspended = body.bool("suspended")
        change.balanceCents = body.integer("balanceCents", money)
        change.monthlyLimitCents = field("monthlyLimitCents", money)
        change.executionsPerHour = field("executionsPerHour", count)
        change.executionsPerDay = field("executionsPerDay", count)
        change.maxConcurrent = field("maxConcurrent", count)
        try body.check()
        let access = try await accounts.setAccess(
            try call.parameter("id"), change, by: try call.caller.userID)
        return try .json(AccessDocument(access))
    }

    @Sendable
    private func myEntitlements(_ call: Call) async throws -> Response {
        let page = try await accounts.grants(
            userID: try call.caller.userID, agentID: nil, after: try call.cursor(), limit: try call.limit())
        return try .json(EntitlementList(page))
    }
}

/// A user as it is shown.
private struct UserDocument: Encodable {
    let id: String
    let role: Role
    @Nullable var name: String?
    @Nullable var walletAddress: String?
    let createdAt: String
    /// Left out but for the user's own.
    let webhookSecret: String?

    /// - Parameter role: what the credential gives.
    init(_ user: User, role: Role, webhookSecret: String? = nil) {
        self.webhookSecret = webhookSecret
        id = user.id
        self.role = role
        createdAt = user.createdAt.rfc3339
        name = user.name
        walletAddress = user.walletAddress
    }
}

/// What a user may do, as it is shown.
private struct AccessDocument: Encodable {
    struct Allowance: Encodable {
        let limit: Int
        let used: Int
        let remaining: Int
        @Nullable var resetAt: String?

        init(_ allowance: Access.Allowance) {
            limit = allowance.limit
            used = allowance.used
            remaining = allowance.remaining
            resetAt = allowance.resetAt?.rfc3339
        }
    }

    struct Balance: Encodable {
        let balanceCents: Int
        let reservedCents: Int
        let availableCents: Int
        @Nullable var monthlyLimitCents: Int?
        let monthlyUsedCents: Int
        let resetAt: String
    }

    struct Advance: Encodable {
        let remaining: Int
        let until: String
    }

    let userId: String
    let tier: Int
    let suspended: Bool
    let quota: Allowance
    @Nullable var advance: Advance?
    let rate: Allowance
    let concurrency: Allowance
    let balance: Balance
    /// The user's own, in place of the tier's.
    @Nullable var executionsPerHour: Int?
    @Nullable var executionsPerDay: Int?
    @Nullable var maxConcurrent: Int?

    init(_ access: Access) {
        userId = access.userId
        tier = access.tier
        suspended = access.suspended
        quota = Allowance(access.quota)
        rate = Allowance(access.rate)
        concurrency = Allowance(access.concurrent)
        balance = Balance(
            balanceCents: access.balanceCents, reservedCents: access.reservedCents,
            availableCents: access.availableCents, monthlyLimitCents: access.monthlyLimitCents,
            monthlyUsedCents: access.monthUsedCents, resetAt: access.monthResetAt.rfc3339)
        advance = access.advance.map { Advance(remaining: $0.remaining, until: $0.until.rfc3339) }
        executionsPerHour = access.executionsPerHour
        executionsPerDay = access.executionsPerDay
        maxConcurrent = access.maxConcurrent
    }
}
