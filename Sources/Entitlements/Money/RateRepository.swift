public import Storage

/// What compute costs, for everybody.
public struct RateRepository: Sendable {
    public init() {}

    public func rates(in executor: some SQLExecutor) async throws -> Rates {
        let rows = try await executor.query("SELECT \(Rates.columns) FROM settings WHERE id = 1")
        return try rows.first.map(Rates.init) ?? Rates()
    }

    /// Executions that are admitted from now on cost this; those under way, what they were admitted at.
    /// - Throws: ``EntitlementError`` for a rate below 0.
    public func set(_ rates: Rates, by actor: String, in transaction: Transaction) async throws {
        let wrong = [("cpuSecond", rates.cpuSecond), ("gibSecond", rates.gibSecond), ("egressGiB", rates.egressGiB)]
            .filter { !(0...1_000_000_000_000).contains($0.1) }
            .map { EntitlementError.Field(path: $0.0, message: "must be 0 to 1000000000000 millionths of a cent") }
        guard wrong.isEmpty else { throw EntitlementError(validating: wrong) }
        try await transaction.execute(
            """
            UPDATE settings SET cpu_second_rate = \(rates.cpuSecond), gib_second_rate = \(rates.gibSecond),
                egress_gib_rate = \(rates.egressGiB)
            WHERE id = 1
            """)
        try await Audit.append(by: actor, "rates.changed", "rates", rates, in: transaction)
    }
}
