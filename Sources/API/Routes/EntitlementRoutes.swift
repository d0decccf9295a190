import Entitlements
import Foundation
import Hummingbird
import Runner

/// Rights to run agents.
struct EntitlementRoutes {
    let services: APIServices

    var routes: [Route] {
        [
            .get("/entitlements", .admin, list),
            .put("/entitlements/{userId}/{agentId}", .admin, grant),
            .delete("/entitlements/{userId}/{agentId}", .admin, revoke),
        ]
    }

    private var accounts: AccountService { services.accounts }

    @Sendable
    private func list(_ call: Call) async throws -> Response {
        let page = try await accounts.grants(
            userID: try call.query("userId"), agentID: try call.query("agentId"), after: try call.cursor(),
            limit: try call.limit())
        return try .json(EntitlementList(page))
    }

    @Sendable
    private func grant(_ call: Call) async throws -> Response {
        let bytes = try await call.bodyBytes()
        var (expiry, uses): (Date?, Int?) = (nil, nil)
        if !bytes.isEmpty {
            let body = try call.fields(bytes, "expiresAt", "uses")
            expiry = body.time("expiresAt")
            uses = body.integer("uses", 1...1_000_000_000)
            try body.check()
        }
        let grant = try await accounts.grant(
            userID: try call.parameter("userId"), agentID: try call.parameter("agentId"), expiresAt: expiry, uses: uses,
            by: try call.caller.userID)
        return try .json(EntitlementDocument(grant))
    }

    @Sendable
    private func revoke(_ call: Call) async throws -> Response {
        try await accounts.revoke(
            userID: try call.parameter("userId"), agentID: try call.parameter("agentId"), by: try call.caller.userID)
        return Response(status: .noContent)
    }
}

/// A page of rights.
struct EntitlementList: Encodable {
    let entitlements: [EntitlementDocument]
    @Nullable var nextCursor: String?

    init(_ page: Page<Grant>) {
        entitlements = page.elements.map { EntitlementDocument($0) }
        nextCursor = page.nextCursor
    }
}

/// A right as it is shown.
struct EntitlementDocument: Encodable {
    let userId: String
    let agentId: String
    let source: Grant.Source
    let createdAt: String
    @Nullable var expiresAt: String?
    /// Executions that it is good for.
    @Nullable var uses: Int?
    let used: Int

    init(_ grant: Grant) {
        userId = grant.userID
        agentId = grant.agentID
        source = grant.source
        createdAt = grant.createdAt.rfc3339
        used = grant.uses
        expiresAt = grant.expiresAt?.rfc3339
        uses = grant.usesLimit
    }
}
