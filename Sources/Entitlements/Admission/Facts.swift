import Foundation

/// One snapshot: all that the rules look at.
struct Facts: Sendable {
    /// What is counted of an agent that has limits of its own.
    struct AgentCounts: Sendable {
        var active = 0
        var lastHour = 0
        /// When the oldest of the last hour that is in the way no longer counts.
        var resetAt: Date?
    }

    let now: Date
    let request: AdmissionRequest
    var gate: Gate.State
    let breaker: Gate.Breaker
    let user: User
    let tier: Tier
    let account: Account
    let rates: Rates
    /// nil when there is none.
    let agent: Agent?
    /// The best grant that the user has, good or not.
    var grant: Grant?
    /// Seconds for which what the chain said is believed.
    let chainAge: Double
    var agentCounts = AgentCounts()

    var allowed: Allowed { Allowed(user, tier) }

    /// What gives the right to run the agent.
    var right: Grant.Source? {
        guard let agent else { return nil }
        if agent.ownerID == user.id { return .developer }
        if agent.price.isFree { return .free }
        guard let grant, grant.flaw(at: now, chainAge: chainAge) == nil else { return nil }
        return grant.source
    }

    var limits: Result<Limits, Limits.Invalid> {
        do {
            return .success(try request.limits.over(agent?.version.limits ?? LimitsRequest()).resolved())
        } catch {
            return .failure(error as? Limits.Invalid ?? Limits.Invalid(name: "limits", message: "\(error)"))
        }
    }

    var hosts: [String] { request.hosts ?? agent?.version.hosts ?? [] }

    /// What is set aside: the price, and the most that compute can cost.
    var estimateCents: Int {
        guard case .success(let limits) = limits else { return 0 }
        return (agent?.price.centsPerExecution ?? 0) + rates.cents(.init(limits, hasNetwork: !hosts.isEmpty))
    }
}
