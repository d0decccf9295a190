import Entitlements
import Foundation
import HTTPTypes
import Hummingbird
import Runner

/// Agents.
struct AgentRoutes {
    private static let fieldNames = [
        "name", "description", "category", "price", "priceToken", "dockerImage", "inputSchema", "outputSchema",
        "limits", "network", "isActive", "maxConcurrent", "executionsPerHour",
    ]

    let services: APIServices

    var routes: [Route] {
        [
            .get("/agents", .user(.agentsRead), list),
            .post("/agents", .admin, create),
            .get("/agents/{id}", .user(.agentsRead), show),
            .put("/agents/{id}", .developer(.agentsWrite), update),
            .delete("/agents/{id}", .developer(.agentsWrite), delete),
            .get("/agents/{id}/stats", .user(.agentsRead), stats),
        ]
    }

    private var agents: AgentService { services.agents }

    @Sendable
    private func list(_ call: Call) async throws -> Response {
        let category = try call.query("category").map { text in
            guard let category = AgentCategory(rawValue: text) else {
                let known = AgentCategory.allCases.map(\.rawValue).joined(separator: ", ")
                throw Problem.badParameter("category", "must be one of \(known)")
            }
            return category
        }
        let page = try await agents.list(category: category, after: try call.cursor(), limit: try call.limit())
        return try .json(List(agents: page.elements.map { AgentDocument($0) }, nextCursor: page.nextCursor))
    }

    private struct List: Encodable {
        let agents: [AgentDocument]
        @Nullable var nextCursor: String?
    }

    @Sendable
    private func show(_ call: Call) async throws -> Response {
        try .json(AgentDocument(try await agents.find(try call.parameter("id"))))
    }

    @Sendable
    private func create(_ call: Call) async throws -> Response {
        let caller = try call.caller
        let body = try call.fields(try await call.bodyBytes(), Self.fieldNames + ["developerId"])
        let owner = body.string("developerId", 1...200) ?? caller.userID
        let agent = try await agents.create(try fields(body), owner: owner, by: caller.userID)
        var headers = HTTPFields()
        headers[.location] = "/api/v1/agents/\(agent.id)"
        return try .json(AgentDocument(agent), status: .created, headers: headers)
    }

    @Sendable
    private func update(_ call: Call) async throws -> Response {
        let caller = try call.caller
        let id = try call.parameter("id")
        try await mayChange(id, caller)
        let body = try call.fields(try await call.bodyBytes(), Self.fieldNames)
        return try .json(AgentDocument(try await agents.update(id, try fields(body), by: caller.userID)))
    }

    @Sendable
    private func delete(_ call: Call) async throws -> Response {
        let caller = try call.caller
        let id = try call.parameter("id")
        try await mayChange(id, caller)
        try await agents.delete(id, by: caller.userID)
        return Response(status: .noContent)
    }

    /// Everybody sees an agent, so that it is there is no secret.
    private func mayChange(_ id: String, _ caller: Caller) async throws {
        let agent = try await agents.find(id)
        guard caller.isAdmin || agent.ownerID == caller.userID else {
            throw Problem.forbidden("agent \(id) is another developer's")
        }
    }

    @Sendable
    private func stats(_ call: Call) async throws -> Response {
        let caller = try call.caller
        let agent = try await agents.find(try call.parameter("id"))
        let figures = try await agents.statistics(of: agent.id)
        return try .json(
            StatisticsDocument(figures, of: agent.id, showsRevenue: caller.isAdmin || agent.ownerID == caller.userID))
    }

    // MARK: Reading

    private func fields(_ body: JSONFields) throws -> AgentService.Fields {
        var fields = AgentService.Fields()
        fields.name = body.string("name", 3...100)
        fields.description = body.string("description", 10...1000)
        if let text = body.string("category", 1...100) {
            fields.category = AgentCategory(rawValue: text)
            if fields.category == nil {
                body.fault(
                    "category", "must be one of \(AgentCategory.allCases.map(\.rawValue).joined(separator: ", "))")
            }
        }
        fields.price = body.string("price", 1...40)
        fields.priceToken = body.string("priceToken", 1...64)
        fields.dockerImage = body.string("dockerImage", 1...512)
        fields.inputSchema = schema(body, "inputSchema")
        fields.outputSchema = schema(body, "outputSchema")
        fields.limits = body.decoded("limits", as: LimitsRequest.self, known: JSONFields.limitNames)
        fields.hosts = body.network()
        fields.isActive = body.bool("isActive")
        fields.maxConcurrent = number(body, "maxConcurrent")
        fields.executionsPerHour = number(body, "executionsPerHour")
        try body.check()
        return fields
    }

    private func schema(_ body: JSONFields, _ key: String) -> AgentService.Fields.Field<JSONValue> {
        switch body.value(key) {
        case nil: return .kept
        case .null: return .set(nil)
        case .object, .bool: return .set(body.value(key))
        default:
            body.fault(key, "must be a JSON Schema: an object, true or false")
            return .kept
        }
    }

    private func number(_ body: JSONFields, _ key: String) -> AgentService.Fields.Field<Int> {
        body.has(key) ? .set(body.integer(key, 0...1_000_000_000)) : .kept
    }
}

/// An agent as it is shown.
private struct AgentDocument: Encodable {
    let id: String
    let developerId: String
    let name: String
    let description: String
    let category: AgentCategory
    let price: String
    let priceToken: String
    let dockerImage: String
    let imageDigest: String
    let version: Int
    @Nullable var inputSchema: JSONValue?
    @Nullable var outputSchema: JSONValue?
    let limits: LimitsRequest
    let network: Network
    let isActive: Bool
    @Nullable var maxConcurrent: Int?
    @Nullable var executionsPerHour: Int?
    let createdAt: String
    let updatedAt: String

    struct Network: Encodable {
        let mode: String
        let allow: [String]?
    }

    init(_ agent: Agent) {
        id = agent.id
        developerId = agent.ownerID
        name = agent.name
        description = agent.description
        category = agent.category
        price = agent.price.amount
        priceToken = agent.price.token
        dockerImage = agent.version.dockerImage
        imageDigest = agent.version.imageDigest
        version = agent.version.number
        limits = agent.version.limits
        let hosts = agent.version.hosts
        network = hosts.isEmpty ? Network(mode: "none", allow: nil) : Network(mode: "allowlist", allow: hosts)
        isActive = agent.isActive
        createdAt = agent.createdAt.rfc3339
        updatedAt = agent.updatedAt.rfc3339
        inputSchema = agent.version.inputSchema.flatMap { try? JSONValue(parsing: Array($0.utf8)) }
        outputSchema = agent.version.outputSchema.flatMap { try? JSONValue(parsing: Array($0.utf8)) }
        maxConcurrent = agent.maxConcurrent
        executionsPerHour = agent.executionsPerHour
    }
}

/// An agent's figures.
private struct StatisticsDocument: Encodable {
    let agentId: String
    let executions: Int
    let byStatus: [String: Int]
    @Nullable var lastExecutionAt: String?
    @Nullable var successRate: Double?
    @Nullable var wallMs: AgentStatistics.Percentiles?
    @Nullable var memoryBytes: AgentStatistics.Percentiles?
    /// For the developer and administrators; left out for others.
    let revenueCents: Int?

    init(_ figures: AgentService.Figures, of id: String, showsRevenue: Bool) {
        agentId = id
        executions = figures.statistics.executions.values.reduce(0, +)
        byStatus = figures.statistics.executions
        revenueCents = showsRevenue ? figures.statistics.revenueCents : nil
        lastExecutionAt = figures.lastExecutionAt?.rfc3339
        successRate = figures.statistics.successRate
        wallMs = figures.statistics.wallMs
        memoryBytes = figures.statistics.memoryBytes
    }
}
