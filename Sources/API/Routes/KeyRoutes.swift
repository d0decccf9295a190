import Entitlements
import Foundation
import HTTPTypes
import Hummingbird
import Runner

/// API keys.
struct KeyRoutes {
    let services: APIServices

    var routes: [Route] {
        [
            .get("/keys", .user(.account), list),
            .post("/keys", .user(.account), create),
            .delete("/keys/{id}", .user(.account), revoke),
        ]
    }

    private var accounts: AccountService { services.accounts }

    @Sendable
    private func list(_ call: Call) async throws -> Response {
        let page = try await accounts.keys(
            of: try call.caller.owner, after: try call.cursor(), limit: try call.limit())
        return try .json(List(keys: page.elements.map { KeyDocument($0) }, nextCursor: page.nextCursor))
    }

    private struct List: Encodable {
        let keys: [KeyDocument]
        @Nullable var nextCursor: String?
    }

    @Sendable
    private func create(_ call: Call) async throws -> Response {
        let caller = try call.caller
        let body = try await call.body("name", "userId", "role", "scopes", "requestLimit", "expiresAt")
        let name = body.required("name") { body.string($0, 1...100) }
        let owner = body.string("userId", 1...200) ?? caller.userID
        let role = body.string("role", 1...20).flatMap { text in
            let role = Role(rawValue: text)
            if role == nil { body.fault("role", "must be admin, developer or user") }
            return role
        }
        let scopes = scopes(body)
        let requestLimit = body.integer("requestLimit", 0...1_000_000_000)
        let expiresAt = body.time("expiresAt")
        try body.check()
        guard caller.isAdmin || (owner == caller.userID && !body.has("requestLimit")) else {
            throw Problem.forbidden("only administrators make keys for others, or choose a limit of requests")
        }
        let new = try await accounts.createKey(
            for: owner, name: name ?? "", role: try allowed(role, caller, owner),
            scopes: try allowed(scopes, caller).map(\.rawValue), requestLimit: Self.bounded(requestLimit, by: caller),
            expiresAt: Self.bounded(expiresAt, by: caller), by: caller.userID)
        return try .json(KeyDocument(new.key, text: new.text), status: .created)
    }

    private func scopes(_ body: JSONFields) -> [Scope]? {
        body.strings("scopes", atMost: 32)?.compactMap { text in
            guard let scope = Scope(rawValue: text) else {
                body.fault(
                    "scopes",
                    "'\(text.prefix(50))' is none of \(Scope.allCases.map(\.rawValue).joined(separator: ", "))")
                return nil
            }
            return scope
        }
    }

    /// A key makes none that may do more than itself.
    private func allowed(_ asked: [Scope]?, _ caller: Caller) throws -> [Scope] {
        if caller.scopes.count == Scope.allCases.count { return asked ?? [] }
        let scopes = asked.map { $0.isEmpty ? Array(caller.scopes) : $0 } ?? Array(caller.scopes)
        guard caller.scopes.isSuperset(of: scopes) else {
            throw Problem.forbidden("this key cannot make one that may do more than itself")
        }
        return scopes.sorted { $0.rawValue < $1.rawValue }
    }

    /// Of a key with a limit of its own, none may ask more often than itself. 0 is no limit.
    private static func bounded(_ asked: Int?, by caller: Caller) -> Int? {
        guard let own = caller.requestLimit, own > 0 else { return asked }
        guard let asked, asked > 0 else { return own }
        return min(asked, own)
    }

    /// Of a key that ends, none lasts longer than itself.
    private static func bounded(_ asked: Date?, by caller: Caller) -> Date? {
        guard let own = caller.expiresAt else { return asked }
        return asked.map { min($0, own) } ?? own
    }

    /// A key of a lower role than its user's makes none of a higher one.
    private func allowed(_ asked: Role?, _ caller: Caller, _ owner: String) throws -> Role? {
        if caller.isAdmin { return asked }
        guard asked == nil || asked == .user || asked == caller.role else {
            throw Problem.forbidden("this key cannot make one of a higher role than its own")
        }
        return asked ?? caller.role
    }

    @Sendable
    private func revoke(_ call: Call) async throws -> Response {
        let caller = try call.caller
        try await accounts.revokeKey(try call.parameter("id"), of: caller.owner, by: caller.userID)
        return Response(status: .noContent)
    }
}

/// A key as it is shown: its text only when it is made.
private struct KeyDocument: Encodable {
    let id: String
    let userId: String
    let name: String
    let prefix: String
    let role: Role
    let scopes: [String]
    @Nullable var requestLimit: Int?
    let createdAt: String
    @Nullable var expiresAt: String?
    @Nullable var revokedAt: String?
    @Nullable var lastUsedAt: String?
    let key: String?

    init(_ key: APIKey, text: String? = nil) {
        id = key.id
        userId = key.userID
        name = key.name
        prefix = key.prefix
        role = key.role
        scopes = key.scopes
        createdAt = key.createdAt.rfc3339
        self.key = text
        requestLimit = key.requestLimit
        expiresAt = key.expiresAt?.rfc3339
        revokedAt = key.revokedAt?.rfc3339
        lastUsedAt = key.lastUsedAt?.rfc3339
    }
}
