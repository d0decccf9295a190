public import Storage

/// What a group of users may have at most.
public struct Tier: Sendable, Equatable, Codable {
    public let number: Int
    /// From midnight UTC to midnight UTC.
    public var executionsPerDay: Int
    /// In any 60 minutes.
    public var executionsPerHour: Int
    public var maxConcurrent: Int
    /// A higher one is run first.
    public var priority: Int
    /// The runtime class, such as `runsc`; nil for the host's own choice.
    public var runtime: String?
    /// The maximum of each limit; what is nil has none but the host's.
    public var maxLimits: LimitsRequest
    /// Hosts that an execution may reach; 0 for no network.
    public var maxHosts: Int

    static let columns: SQL =
        """
        tiers.number AS tier_number, tiers.executions_per_day AS tier_per_day,
        tiers.executions_per_hour AS tier_per_hour, tiers.max_concurrent AS tier_concurrent,
        tiers.priority AS tier_priority, tiers.runtime AS tier_runtime, tiers.max_limits AS tier_max_limits,
        tiers.max_hosts AS tier_max_hosts
        """

    init(_ row: Row) throws {
        number = try row["tier_number"]
        executionsPerDay = try row["tier_per_day"]
        executionsPerHour = try row["tier_per_hour"]
        maxConcurrent = try row["tier_concurrent"]
        priority = try row["tier_priority"]
        runtime = try row["tier_runtime"]
        maxLimits = try (row["tier_max_limits"] as JSONColumn<LimitsRequest>).value
        maxHosts = try row["tier_max_hosts"]
    }
}

/// The tiers.
public struct TierRepository: Sendable {
    public init() {}

    /// By number.
    public func list(in executor: some SQLExecutor) async throws -> [Tier] {
        try await executor.query("SELECT \(Tier.columns) FROM tiers ORDER BY number").map(Tier.init)
    }

    public func find(_ number: Int, in executor: some SQLExecutor) async throws -> Tier? {
        try await executor.query("SELECT \(Tier.columns) FROM tiers WHERE number = \(number)").first.map(Tier.init)
    }

    /// Changes a tier; from the next decision on it holds for all its users.
    /// - Throws: ``EntitlementError`` when there is no such tier, or a number is negative.
    public func update(_ tier: Tier, by actor: String, in transaction: Transaction) async throws {
        let numbers = [
            ("executionsPerDay", tier.executionsPerDay), ("executionsPerHour", tier.executionsPerHour),
            ("maxConcurrent", tier.maxConcurrent), ("maxHosts", tier.maxHosts),
        ]
        let wrong = numbers.filter { $0.1 < 0 }.map {
            EntitlementError.Field(path: $0.0, message: "must be 0 or more, is \($0.1)")
        }
        if !wrong.isEmpty { throw EntitlementError(validating: wrong) }
        let changed = try await transaction.execute(
            """
            UPDATE tiers SET executions_per_day = \(tier.executionsPerDay),
                executions_per_hour = \(tier.executionsPerHour), max_concurrent = \(tier.maxConcurrent),
                priority = \(tier.priority), runtime = \(tier.runtime), max_limits = \(JSONColumn(tier.maxLimits)),
                max_hosts = \(tier.maxHosts)
            WHERE number = \(tier.number)
            """)
        guard changed == 1 else { throw EntitlementError.notFound("tier", "\(tier.number)") }
        try await Audit.append(by: actor, "tier.changed", "tier \(tier.number)", tier, in: transaction)
    }
}
