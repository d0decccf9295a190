/// What an admin changes of a user's access; CONTRACT §5, `PUT /users/{id}/access`. What is not given stays.
public struct AccessChange: Sendable, Equatable, Codable {
    /// A value that can be given, given as null, or not given.
    public enum Field<Value: Sendable & Equatable & Decodable>: Sendable, Equatable {
        /// Stays as it is.
        case kept
        /// nil takes the tier's, or no limit.
        case set(Value?)

        func value(over old: Value?) -> Value? {
            switch self {
            case .kept: old
            case .set(let new): new
            }
        }

        var given: Value? {
            if case .set(let value) = self { value } else { nil }
        }
    }

    public var tier: Int?
    public var suspended: Bool?
    /// The balance that it is to have.
    public var balanceCents: Int?
    public var monthlyLimitCents = Field<Int>.kept
    public var executionsPerHour = Field<Int>.kept
    public var executionsPerDay = Field<Int>.kept
    public var maxConcurrent = Field<Int>.kept

    /// More than any amount of money or any count.
    private static let highest = 1_000_000_000_000

    public init() {}

    /// The JSON names.
    public enum CodingKeys: String, CodingKey, CaseIterable {
        case tier, suspended, balanceCents, monthlyLimitCents, executionsPerHour, executionsPerDay, maxConcurrent
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        func field(_ key: CodingKeys) throws -> Field<Int> {
            container.contains(key) ? .set(try container.decodeIfPresent(Int.self, forKey: key)) : .kept
        }
        tier = try container.decodeIfPresent(Int.self, forKey: .tier)
        suspended = try container.decodeIfPresent(Bool.self, forKey: .suspended)
        balanceCents = try container.decodeIfPresent(Int.self, forKey: .balanceCents)
        monthlyLimitCents = try field(.monthlyLimitCents)
        executionsPerHour = try field(.executionsPerHour)
        executionsPerDay = try field(.executionsPerDay)
        maxConcurrent = try field(.maxConcurrent)
    }

    /// What is given, and nothing else.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(tier, forKey: .tier)
        try container.encodeIfPresent(suspended, forKey: .suspended)
        try container.encodeIfPresent(balanceCents, forKey: .balanceCents)
        let fields: [(CodingKeys, Field<Int>)] = [
            (.monthlyLimitCents, monthlyLimitCents), (.executionsPerHour, executionsPerHour),
            (.executionsPerDay, executionsPerDay), (.maxConcurrent, maxConcurrent),
        ]
        for case (let key, .set(let value)) in fields { try container.encode(value, forKey: key) }
    }

    func validate() throws {
        let numbers: [(CodingKeys, Int?)] = [
            (.balanceCents, balanceCents), (.monthlyLimitCents, monthlyLimitCents.given),
            (.executionsPerHour, executionsPerHour.given), (.executionsPerDay, executionsPerDay.given),
            (.maxConcurrent, maxConcurrent.given),
        ]
        let wrong = numbers.filter { !(0...Self.highest).contains($0.1 ?? 0) }.map {
            EntitlementError.Field(path: $0.0.rawValue, message: "must be 0 to \(Self.highest)")
        }
        guard wrong.isEmpty else { throw EntitlementError(validating: wrong) }
    }
}
