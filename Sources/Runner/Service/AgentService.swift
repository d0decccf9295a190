import DockerAPI
public import Entitlements
public import Foundation
public import Storage

/// Agents, for whoever asks for them: images are looked up and pinned, schemas compiled, hosts read.
public struct AgentService: Sendable {
    /// Fields of an agent as somebody gives them; nil for what stays as it is.
    public struct Fields: Sendable {
        /// A value that can be given, given as null, or not given.
        public enum Field<Value: Sendable>: Sendable {
            case kept
            case set(Value?)
        }

        public var name: String?
        public var description: String?
        public var category: AgentCategory?
        public var price: String?
        public var priceToken: String?
        public var dockerImage: String?
        public var inputSchema = Field<JSONValue>.kept
        public var outputSchema = Field<JSONValue>.kept
        public var limits: LimitsRequest?
        /// `HOST[:PORT]`; empty for no network.
        public var hosts: [String]?
        public var isActive: Bool?
        public var maxConcurrent = Field<Int>.kept
        public var executionsPerHour = Field<Int>.kept

        public init() {}
    }

    private let database: Database
    private let host: RunnerHost
    private let agents = AgentRepository()

    public init(database: Database, host: RunnerHost) {
        self.database = database
        self.host = host
    }

    // MARK: Looking

    /// - Throws: ``Refusal`` with `not_found`.
    public func find(_ id: String) async throws -> Agent {
        guard let agent = try await agents.find(id, in: database) else { throw Self.notFound(id) }
        return agent
    }

    public func list(category: AgentCategory?, after cursor: String?, limit: Int) async throws -> Page<Agent> {
        try await agents.list(category: category, after: cursor, limit: limit, in: database)
    }

    /// Of all its executions that are stored.
    public struct Figures: Sendable {
        public let statistics: AgentStatistics
        public let lastExecutionAt: Date?
    }

    public func statistics(of id: String) async throws -> Figures {
        Figures(
            statistics: try await agents.statistics(of: id, in: database),
            lastExecutionAt: try await ExecutionList().lastSubmission(agentID: id, in: database))
    }

    // MARK: Changing

    /// - Parameters:
    ///   - owner: its developer's user id.
    ///   - actor: who makes it.
    /// - Throws: ``Refusal``, `EntitlementError`.
    public func create(_ fields: Fields, owner: String, by actor: String) async throws -> Agent {
        let missing = [
            ("/name", fields.name == nil), ("/description", fields.description == nil),
            ("/category", fields.category == nil), ("/dockerImage", fields.dockerImage == nil),
        ].filter(\.1).map { Refusal.Fault(path: $0.0, message: "is missing") }
        guard missing.isEmpty, let name = fields.name, let description = fields.description,
            let category = fields.category, let image = fields.dockerImage
        else {
            throw Refusal(
                .validationFailed, missing.map { "\($0.path): \($0.message)" }.joined(separator: "; "), faults: missing)
        }
        var draft = AgentDraft(
            name: name, description: description, category: category, dockerImage: image,
            // Until it is looked up, so that other faults are told without the Engine.
            imageDigest: "sha256:" + String(repeating: "0", count: 64))
        try await Self.checked(fields).apply(to: &draft)
        let exact = try await pinned(image)
        draft.dockerImage = exact.name
        draft.imageDigest = exact.digest
        return try await database.transaction(isolation: .readCommitted) { [draft] transaction in
            try await agents.create(draft, ownerID: owner, by: actor, in: transaction)
        }
    }

    /// Changes what is given. A new image, or the same one given again, is looked up anew.
    public func update(_ id: String, _ fields: Fields, by actor: String) async throws -> Agent {
        let change = try await Self.checked(fields)
        // So that faults are told without the Engine.
        var trial = AgentDraft(try await find(id))
        try change.apply(to: &trial)
        var image: (name: String, digest: String)?
        if let reference = fields.dockerImage { image = try await pinned(reference) }
        return try await database.transaction(isolation: .readCommitted) { [image] transaction in
            // Locked, and read after it: looking an image up may have taken minutes, and what others have changed in
            // the meantime stays changed.
            try await transaction.execute("UPDATE agents SET version = version WHERE id = \(id)")
            guard let agent = try await agents.find(id, in: transaction) else { throw Self.notFound(id) }
            var draft = AgentDraft(agent)
            try change.apply(to: &draft)
            if let image {
                draft.dockerImage = image.name
                draft.imageDigest = image.digest
            }
            return try await agents.update(id, to: draft, by: actor, in: transaction)
        }
    }

    /// It can no longer be run or listed; its executions stay.
    public func delete(_ id: String, by actor: String) async throws {
        let isDeleted = try await database.transaction(isolation: .readCommitted) { transaction in
            try await agents.delete(id, by: actor, in: transaction)
        }
        guard isDeleted else { throw Self.notFound(id) }
    }

    static func notFound(_ id: String) -> Refusal { Refusal(.notFound, "there is no agent \(id)") }

    // MARK: Checking

    /// Fields whose schemas compile and whose hosts can be read, in the form in which they are stored.
    private struct Change: Sendable {
        let fields: Fields
        let inputSchema: Fields.Field<String>
        let outputSchema: Fields.Field<String>
        let hosts: [String]?

        /// Everything but the image.
        /// - Throws: `EntitlementError` for fields that are wrong.
        func apply(to draft: inout AgentDraft) throws {
            if let name = fields.name { draft.name = name }
            if let description = fields.description { draft.description = description }
            if let category = fields.category { draft.category = category }
            if let price = fields.price { draft.price = price }
            if let token = fields.priceToken { draft.priceToken = token }
            if let limits = fields.limits { draft.limits = limits }
            if let isActive = fields.isActive { draft.isActive = isActive }
            if case .set(let value) = fields.maxConcurrent { draft.maxConcurrent = value }
            if case .set(let value) = fields.executionsPerHour { draft.executionsPerHour = value }
            if case .set(let schema) = inputSchema { draft.inputSchema = schema }
            if case .set(let schema) = outputSchema { draft.outputSchema = schema }
            if let hosts { draft.hosts = hosts }
            _ = try draft.validated()
        }
    }

    private static func checked(_ fields: Fields) async throws -> Change {
        Change(
            fields: fields, inputSchema: try await compiled(fields.inputSchema, "/inputSchema"),
            outputSchema: try await compiled(fields.outputSchema, "/outputSchema"),
            hosts: try fields.hosts?.enumerated().map { index, host in
                do {
                    return try EgressRule(host).description
                } catch {
                    throw Refusal.field("/network/allow/\(index)", "\(error)")
                }
            })
    }

    private static func compiled(
        _ field: Fields.Field<JSONValue>, _ path: String
    ) async throws -> Fields.Field<String> {
        guard case .set(let given) = field else { return .kept }
        guard let schema = given, schema != .null else { return .set(nil) }
        do {
            _ = try await JSONSchema(compiling: schema)
        } catch let error as JSONSchema.Invalid {
            throw Refusal.field(path, "\(error)")
        }
        return .set(String(decoding: try schema.serialized(), as: UTF8.self))
    }

    /// Finds out what exactly the name stands for now: what is run later is that and nothing else.
    private func pinned(_ reference: String) async throws -> (name: String, digest: String) {
        do {
            return try await ImageStore(client: host.client).pinned(reference)
        } catch let error as ImageError {
            throw Refusal.field("/dockerImage", error.description)
        } catch let error as DockerError {
            throw Refusal(
                .engineUnavailable, "the image cannot be looked up: the Engine does not answer (\(error.message))")
        }
    }
}

extension ImageStore {
    /// What a name stands for: with the digest of its manifest where it is from a registry, else its id here.
    /// - Throws: ``ImageError``, `DockerError`.
    func pinned(_ reference: String) async throws -> (name: String, digest: String) {
        let image = try await image(reference) { _ in }
        guard !reference.hasPrefix("sha256:"), let name = try? ImageReference(reference) else {
            return (reference, image.id)
        }
        let digests = image.repositoryDigests.filter { $0.hasPrefix(name.name + "@") }
        // Of several the one that was asked for; without any it was built here.
        let digest = digests.first { $0.hasSuffix("@" + name.tag) } ?? digests.first
        guard let digest = digest?.split(separator: "@").last.map(String.init) else { return (reference, image.id) }
        let plain = reference.prefix { $0 != "@" }
        return ("\(plain)@\(digest)", digest)
    }
}
