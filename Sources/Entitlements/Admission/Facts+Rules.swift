import Foundation

extension Facts {
    func gateDenial() -> Denial? {
        if let pausedAt = gate.pausedAt {
            let why = gate.pauseReason.map { " (\($0))" } ?? ""
            return Denial(
                .paused, "nothing is admitted since \(pausedAt.timestamp)\(why): try again when an admin has resumed it"
            )
        }
        let reopening = gate.breakerOpenedAt.map { $0 + breaker.cooling }
        switch gate.breaker(breaker, at: now) {
        case .closed: return nil
        case .open:
            return Denial(
                .engineUnavailable, "the engines fail too often (\(gate.breakerReason ?? "")): try again later",
                resetAt: reopening)
        case .halfOpen: return gate.isProbing(breaker, at: now) ? probing : nil
        }
    }

    private var probing: Denial {
        Denial(
            .engineUnavailable,
            "the engines failed too often, and one execution tries whether they work: try again later",
            resetAt: gate.probeAt.map { $0 + breaker.probePatience })
    }

    func userDenial() -> Denial? {
        user.suspendedAt.map {
            Denial(.suspended, "user \(user.id) is suspended since \($0.timestamp): ask an admin")
        }
    }

    func agentDenial() -> Denial? {
        guard let agent, agent.deletedAt == nil else {
            return Denial(.notFound, "there is no agent \(request.agentID)")
        }
        guard agent.isActive else {
            return Denial(.conflict, "agent \(agent.id) is not active: its developer or an admin can make it so")
        }
        guard agent.version.isPinned else {
            return Denial(
                .conflict, "the image of agent \(agent.id) is not pinned by a digest: its developer has to set it again"
            )
        }
        return nil
    }

    func entitlementDenial() -> Denial? {
        guard right == nil else { return nil }
        if let grant, let flaw = grant.flaw(at: now, chainAge: chainAge) {
            return Denial(
                .notEntitled,
                "user \(user.id) may not run agent \(request.agentID): the grant (\(grant.source.rawValue)) \(flaw). "
                    + "Buy it anew, or ask an admin")
        }
        return Denial(
            .notEntitled, "user \(user.id) may not run agent \(request.agentID): buy it, or ask an admin for a grant")
    }

    func limitsDenial() -> Denial? {
        let limits: Limits
        switch self.limits {
        case .success(let resolved): limits = resolved
        case .failure(let invalid):
            return Denial(.validationFailed, "limits.\(invalid)", field: "limits.\(invalid.name)")
        }
        for check in LimitCheck.all(limits, request.limits, tier.maxLimits) {
            guard let maximum = check.maximum, check.value > maximum else { continue }
            let (value, most) = (check.value.plain, maximum.plain)
            // What the user did not ask for, the user cannot lower by leaving it out.
            return check.isAsked
                ? Denial(
                    .limitAboveMaximum,
                    "limits.\(check.name): \(value) is above the \(most) of tier \(tier.number): ask for less",
                    field: "limits.\(check.name)", limit: Int(maximum))
                : Denial(
                    .tierTooLow,
                    "the agent wants \(check.name) \(value), and tier \(tier.number) has at most \(most): "
                        + "ask for less, or for a higher tier",
                    field: "limits.\(check.name)", limit: Int(maximum))
        }
        guard hosts.count <= tier.maxHosts else {
            return Denial(
                .tierTooLow,
                "\(hosts.count) hosts are to be reached, and tier \(tier.number) allows \(tier.maxHosts): "
                    + "ask for fewer, or for a higher tier",
                field: "network", limit: tier.maxHosts, used: hosts.count)
        }
        return nil
    }

    func concurrencyDenial() -> Denial? {
        let own = account.concurrency(limit: allowed.concurrent)
        if own.isUsed {
            return Denial(
                .concurrencyLimited,
                "\(own.used) executions of yours are under way, and \(own.limit) may be: "
                    + "wait for one to end, or cancel one",
                limit: own.limit, used: own.used)
        }
        if let agent, let most = agent.maxConcurrent, agentCounts.active >= most {
            return Denial(
                .concurrencyLimited,
                "\(agentCounts.active) executions of agent \(agent.id) are under way, and \(most) may be: try again later",
                limit: most, used: agentCounts.active)
        }
        return nil
    }

    func rateDenial() -> Denial? {
        let own = account.rate(limit: allowed.perHour, at: now)
        if own.isUsed {
            return Denial(
                .rateLimited,
                "\(own.used) executions of yours in the last hour, and \(own.limit) may be: try again later",
                limit: own.limit, used: own.used, resetAt: own.resetAt)
        }
        if let agent, let most = agent.executionsPerHour, agentCounts.lastHour >= most {
            return Denial(
                .rateLimited,
                "\(agentCounts.lastHour) executions of agent \(agent.id) in the last hour, and \(most) may be: "
                    + "try again later",
                limit: most, used: agentCounts.lastHour, resetAt: agentCounts.resetAt)
        }
        return nil
    }

    func quotaDenial() -> Denial? {
        guard account.advance(at: now) == 0 else { return nil }
        let quota = account.quota(limit: allowed.perDay, at: now)
        guard quota.isUsed else { return nil }
        return Denial(
            .quotaExceeded,
            "\(quota.used) of \(quota.limit) executions of today are used: wait until "
                + "\(account.quotaResetAt(now).timestamp), or ask for a higher tier than \(tier.number)",
            limit: quota.limit, used: quota.used, resetAt: quota.resetAt)
    }

    func moneyDenial() -> Denial? {
        let estimate = estimateCents
        guard estimate > 0 else { return nil }
        if account.availableCents < estimate {
            return Denial(
                .insufficientBalance,
                "it may cost \(estimate) cents, and \(account.availableCents) are free (a balance of "
                    + "\(account.balanceCents), \(account.reservedCents) of it reserved): add money, or ask for lower limits",
                limit: account.balanceCents, used: account.reservedCents, remaining: account.availableCents,
                required: estimate)
        }
        let spent = account.monthUsed(at: now)
        if let limit = account.monthlyLimitCents, spent + estimate > limit {
            let resetAt = account.monthResetAt(now)
            return Denial(
                .monthlyLimitExceeded,
                "it may cost \(estimate) cents, and \(spent) of this month's \(limit) are spent or reserved: "
                    + "wait until \(resetAt.timestamp), or ask for a higher limit",
                limit: limit, used: spent, resetAt: resetAt, remaining: max(0, limit - spent), required: estimate)
        }
        return nil
    }
}

/// A limit and its maximum.
private struct LimitCheck {
    let name: String
    let value: Double
    let isAsked: Bool
    let maximum: Double?

    static func all(_ limits: Limits, _ asked: LimitsRequest, _ maximum: LimitsRequest) -> [LimitCheck] {
        func whole(_ name: String, _ value: Int, _ asked: Int?, _ maximum: Int?) -> LimitCheck {
            LimitCheck(name: name, value: Double(value), isAsked: asked != nil, maximum: maximum.map(Double.init))
        }
        func real(_ name: String, _ value: Double?, _ asked: Double?, _ maximum: Double?) -> LimitCheck {
            LimitCheck(name: name, value: value ?? 0, isAsked: asked != nil, maximum: maximum)
        }
        return [
            whole("memoryMiB", limits.memoryMiB, asked.memoryMiB, maximum.memoryMiB),
            real("cpus", limits.cpus, asked.cpus, maximum.cpus),
            whole("pids", limits.pids, asked.pids, maximum.pids),
            real("timeoutSeconds", limits.timeoutSeconds, asked.timeoutSeconds, maximum.timeoutSeconds),
            real("cpuSeconds", limits.cpuSeconds, asked.cpuSeconds, maximum.cpuSeconds),
            whole("tmpMiB", limits.tmpMiB, asked.tmpMiB, maximum.tmpMiB),
            whole("logMiB", limits.logMiB, asked.logMiB, maximum.logMiB),
            whole("outputKiB", limits.outputKiB, asked.outputKiB, maximum.outputKiB),
            whole("openFiles", limits.openFiles, asked.openFiles, maximum.openFiles),
            real("graceSeconds", limits.graceSeconds, asked.graceSeconds, maximum.graceSeconds),
        ]
    }
}

extension Double {
    /// Without a fraction where there is none.
    fileprivate var plain: String { self == rounded() ? String(Int(self)) : String(self) }
}
