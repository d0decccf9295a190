public import Foundation
public import Storage

/// Agents and their versions.
public struct AgentRepository: Sendable {
    private let now: @Sendable () -> Date

    public init(now: @escaping @Sendable () -> Date = { Date() }) { self.now = now }

    /// Lists an agent.
    /// - Parameters:
    ///   - ownerID: its developer, who is a user.
    ///   - actor: who does it.
    /// - Throws: ``EntitlementError`` for fields that are wrong, or no such user.
    public func create(
        _ draft: AgentDraft, ownerID: String, by actor: String, in transaction: Transaction
    ) async throws -> Agent {
        let price = try draft.validated()
        guard try await UserRepository().find(ownerID, in: transaction) != nil else {
            throw EntitlementError.notFound("user", ownerID)
        }
        let (id, now) = (Identifier.make("agt_"), now())
        try await transaction.execute(
            """
            INSERT INTO agents (id, owner_id, name, description, category, price, price_token, price_cents, is_active,
                version, max_concurrent, executions_per_hour, created_at, updated_at)
            VALUES (\(id), \(ownerID), \(draft.name), \(draft.description), \(draft.category), \(price.amount),
                \(price.token), \(price.centsPerExecution), \(draft.isActive), 1, \(draft.maxConcurrent),
                \(draft.executionsPerHour), \(now), \(now))
            """)
        try await insert(draft, version: 1, of: id, at: now, in: transaction)
        return try await recorded(id, "agent.created", by: actor, in: transaction)
    }

    /// Changes an agent. Where what is run changes, that is a new version; executions keep theirs.
    /// - Throws: ``EntitlementError`` for fields that are wrong, or no such agent.
    public func update(
        _ id: String, to draft: AgentDraft, by actor: String, in transaction: Transaction
    ) async throws -> Agent {
        let price = try draft.validated()
        try await transaction.execute("UPDATE agents SET updated_at = \(now()) WHERE id = \(id) AND deleted_at IS NULL")
        let before = try await required(id, in: transaction)
        var version = before.version.number
        if draft.runsOther(than: before.version) {
            version += 1
            try await insert(draft, version: version, of: id, at: before.updatedAt, in: transaction)
        }
        try await transaction.execute(
            """
            UPDATE agents SET name = \(draft.name), description = \(draft.description), category = \(draft.category),
                price = \(price.amount), price_token = \(price.token), price_cents = \(price.centsPerExecution),
                is_active = \(draft.isActive), version = \(version), max_concurrent = \(draft.maxConcurrent),
                executions_per_hour = \(draft.executionsPerHour)
            WHERE id = \(id)
            """)
        return try await recorded(id, "agent.updated", by: actor, in: transaction)
    }

    private func recorded(
        _ id: String, _ action: String, by actor: String, in transaction: Transaction
    ) async throws -> Agent {
        let agent = try await required(id, in: transaction)
        let detail = [
            "name": agent.name, "version": String(agent.version.number), "image": agent.version.imageDigest,
            "price": "\(agent.price.amount) \(agent.price.token)", "isActive": String(agent.isActive),
        ]
        try await Audit.append(by: actor, action, id, detail, in: transaction)
        return agent
    }

    private func insert(
        _ draft: AgentDraft, version: Int, of id: String, at now: Date, in transaction: Transaction
    ) async throws {
        try await transaction.execute(
            """
            INSERT INTO agent_versions
                (agent_id, version, docker_image, image_digest, input_schema, output_schema, limits, hosts, created_at)
            VALUES (\(id), \(version), \(draft.dockerImage), \(draft.imageDigest), \(draft.inputSchema),
                \(draft.outputSchema), \(JSONColumn(draft.limits)), \(JSONColumn(draft.hosts)), \(now))
            """)
    }

    /// Takes an agent from the list. Its versions, executions and statistics stay.
    /// - Returns: false when there is none.
    public func delete(_ id: String, by actor: String, in transaction: Transaction) async throws -> Bool {
        let changed = try await transaction.execute(
            "UPDATE agents SET deleted_at = \(now()), is_active = \(false) WHERE id = \(id) AND deleted_at IS NULL")
        guard changed == 1 else { return false }
        try await Audit.append(by: actor, "agent.deleted", id, [String: String](), in: transaction)
        return true
    }

    /// - Parameter isDeletedToo: also one that was deleted.
    public func find(
        _ id: String, isDeletedToo: Bool = false, in executor: some SQLExecutor
    ) async throws -> Agent? {
        try await executor.query(
            "SELECT \(Agent.columns) FROM \(Self.joined) WHERE agents.id = \(id)"
        ).first.map(Agent.init).flatMap { isDeletedToo || $0.deletedAt == nil ? $0 : nil }
    }

    /// An agent as it is now, which nobody else changes until the transaction ends: read before ``update(_:to:by:in:)``,
    /// so that another change of it is not undone.
    /// - Throws: ``EntitlementError`` when there is none.
    public func locked(_ id: String, in transaction: Transaction) async throws -> Agent {
        try await transaction.execute("SELECT id FROM agents WHERE id = \(id) \(.forUpdate)")
        return try await required(id, in: transaction)
    }

    /// One version, as an execution has it.
    public func version(
        _ number: Int, of id: String, in executor: some SQLExecutor
    ) async throws -> AgentVersion? {
        try await executor.query(
            "SELECT \(AgentVersion.columns) FROM agent_versions AS versions WHERE agent_id = \(id) AND version = \(number)"
        ).first.map(AgentVersion.init)
    }

    /// Those that are listed, oldest first.
    /// - Parameters:
    ///   - category: nil for all.
    ///   - ownerID: nil for all.
    ///   - cursor: of the page before.
    ///   - limit: 1 to 100.
    public func list(
        category: AgentCategory? = nil, ownerID: String? = nil, after cursor: String? = nil, limit: Int = 50,
        in executor: some SQLExecutor
    ) async throws -> Page<Agent> {
        var conditions: [SQL] = ["agents.deleted_at IS NULL"]
        if let category { conditions.append("agents.category = \(category)") }
        if let ownerID { conditions.append("agents.owner_id = \(ownerID)") }
        if let cursor { conditions.append("agents.id > \(cursor)") }
        let rows = try await executor.query(
            """
            SELECT \(Agent.columns) FROM \(Self.joined) WHERE \(conditions.joined(by: " AND "))
            ORDER BY agents.id LIMIT \(limit + 1)
            """)
        return Page(try rows.map(Agent.init), limit: limit, cursor: \.id)
    }

    private static let joined: SQL =
        "agents JOIN agent_versions AS versions ON versions.agent_id = agents.id AND versions.version = agents.version"

    private func required(_ id: String, in executor: some SQLExecutor) async throws -> Agent {
        guard let agent = try await find(id, in: executor) else { throw EntitlementError.notFound("agent", id) }
        return agent
    }
}

extension AgentDraft {
    fileprivate func runsOther(than version: AgentVersion) -> Bool {
        dockerImage != version.dockerImage || imageDigest != version.imageDigest || inputSchema != version.inputSchema
            || outputSchema != version.outputSchema || limits != version.limits || hosts != version.hosts
    }
}
