import Entitlements
import Foundation
import Runner

/// An agent as it is printed: CONTRACT §5.
struct AgentView: Encodable {
    struct Network: Encodable {
        let mode: String
        let allow: [String]?
    }

    let id: String
    let ownerId: String
    let name: String
    let description: String
    let category: AgentCategory
    let price: String
    let priceToken: String
    let version: Int
    let dockerImage: String
    let imageDigest: String
    let inputSchema: JSONValue?
    let outputSchema: JSONValue?
    let limits: LimitsRequest
    let network: Network
    let active: Bool
    let maxConcurrent: Int?
    let executionsPerHour: Int?
    let createdAt: Date
    let updatedAt: Date
    let deletedAt: Date?

    init(_ agent: Agent) {
        id = agent.id
        ownerId = agent.ownerID
        name = agent.name
        description = agent.description
        category = agent.category
        price = agent.price.amount
        priceToken = agent.price.token
        version = agent.version.number
        dockerImage = agent.version.dockerImage
        imageDigest = agent.version.imageDigest
        inputSchema = agent.version.inputSchema.flatMap { try? JSONValue(parsing: Array($0.utf8)) }
        outputSchema = agent.version.outputSchema.flatMap { try? JSONValue(parsing: Array($0.utf8)) }
        limits = agent.version.limits
        let hosts = agent.version.hosts
        network = Network(mode: hosts.isEmpty ? "none" : "allowlist", allow: hosts.isEmpty ? nil : hosts)
        active = agent.isActive
        maxConcurrent = agent.maxConcurrent
        executionsPerHour = agent.executionsPerHour
        createdAt = agent.createdAt
        updatedAt = agent.updatedAt
        deletedAt = agent.deletedAt
    }
}
