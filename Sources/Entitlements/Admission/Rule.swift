/// The rules, in the order in which they decide; CONTRACT §6. Each looks at the same facts and at nothing else.
public enum Rule: Int, Sendable, CaseIterable, Codable {
    /// Not paused, and the circuit breaker lets it through. A full queue and a database that cannot be asked are denied
    /// in its name, when that is found.
    case gate = 1
    /// The user is not suspended.
    case user
    /// The agent exists, is active, and its image is pinned.
    case agent
    /// The user has a right to run it.
    case entitlement
    /// Limits and network are valid, and within the tier.
    case limits
    /// Concurrent executions, of the user and of the agent.
    case concurrency
    /// Executions in the last hour, of the user and of the agent.
    case rate
    /// Executions of the day.
    case quota
    /// Balance and monthly limit.
    case money

    /// What it is called in answers.
    public var name: String {
        switch self {
        case .gate: "gate"
        case .user: "user"
        case .agent: "agent"
        case .entitlement: "entitlement"
        case .limits: "limits"
        case .concurrency: "concurrency"
        case .rate: "rate"
        case .quota: "quota"
        case .money: "money"
        }
    }

    /// What is wrong; nil when the rule holds.
    func denial(_ facts: Facts) -> Denial? {
        var denial: Denial? =
            switch self {
            case .gate: facts.gateDenial()
            case .user: facts.userDenial()
            case .agent: facts.agentDenial()
            case .entitlement: facts.entitlementDenial()
            case .limits: facts.limitsDenial()
            case .concurrency: facts.concurrencyDenial()
            case .rate: facts.rateDenial()
            case .quota: facts.quotaDenial()
            case .money: facts.moneyDenial()
            }
        denial?.rule = self
        return denial
    }
}
