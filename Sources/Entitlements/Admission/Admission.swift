public import Foundation
public import Storage

/// The decision whether a user may run an agent now; CONTRACT §6.
///
/// It reads one snapshot, asks each ``Rule`` in order, reserves and enqueues, all in the caller's transaction: what the
/// caller writes besides is written with it, or not at all. Decisions about one user wait for each other, by the lock on
/// the user's account; those about different users do not, but where the agent has limits of its own.
public struct Admission: Sendable {
    /// How decisions are made.
    public struct Configuration: Sendable {
        public var queue = ExecutionQueue.Configuration()
        public var breaker = Gate.Breaker()
        /// Seconds for which what the chain said is believed; see ``RightSource``.
        public var chainAge = 300.0

        public init() {}
    }

    let configuration: Configuration
    private let queue: ExecutionQueue
    let now: @Sendable () -> Date

    /// - Parameter now: the clock by which quotas reset and rates are counted.
    public init(_ configuration: Configuration = Configuration(), now: @escaping @Sendable () -> Date = { Date() }) {
        self.configuration = configuration
        queue = ExecutionQueue(configuration.queue)
        self.now = now
    }

    var settings: Facts.Settings { .init(breaker: configuration.breaker, chainAge: configuration.chainAge) }

    /// Decides; when all rules hold, reserves and enqueues.
    ///
    /// `READ COMMITTED` is enough, and what is fast: see ``admit(_:on:ticket:also:)``. Of a denial nothing is written but
    /// its entry in the audit trail, if the transaction is committed.
    /// - Parameter ticket: makes the stored request's text.
    /// - Throws: `DatabaseError`, `CancellationError`, and what `ticket` throws: then the transaction must be rolled back.
    public func admit(
        _ request: AdmissionRequest, in transaction: Transaction, ticket: (Reservation) throws -> String
    ) async throws -> Decision {
        let decision = try await decide(request, in: transaction, ticket: ticket)
        switch decision {
        case .admitted(let reservation):
            try await Audit.append(
                by: request.userID, "execution.admitted", request.executionID, AuditedReservation(reservation),
                in: transaction)
        case .admittedBefore: break
        case .denied(let denial):
            try await Audit.append(
                by: request.userID, "execution.denied", request.executionID, AuditedDenial(request.agentID, denial),
                in: transaction)
        }
        return decision
    }

    private func decide(
        _ request: AdmissionRequest, in transaction: Transaction, ticket: (Reservation) throws -> String
    ) async throws -> Decision {
        let now = now()
        try Facts.lock(request, in: transaction)
        guard let read = try await Facts.read(request, at: now, settings, in: transaction) else {
            return .denied(Self.unknownUser(request))
        }
        guard !read.isKnown else { return .admittedBefore }
        var facts = read.facts
        if let denial = Rule.beforeCounting(facts) { return .denied(denial) }
        try await facts.confirm(in: transaction)
        if let denial = Rule.first(facts) { return .denied(denial) }
        guard let agent = facts.agent, let right = facts.right, case .success(let limits) = facts.limits else {
            let denial = Denial(.notEntitled, "the rules hold, and there is nothing to run: an error in Paddock")
            return .denied(denial.of(.entitlement))
        }
        return try await reserve(facts, agent, right, limits, in: transaction, ticket: ticket)
    }

    private func reserve(
        _ facts: Facts, _ agent: Agent, _ right: Grant.Source, _ limits: Limits, in transaction: Transaction,
        ticket: (Reservation) throws -> String
    ) async throws -> Decision {
        let (request, now) = (facts.request, facts.now)
        let isProbe = facts.gate.breaker(configuration.breaker, at: now) == .halfOpen
        var account = facts.account
        let estimate = facts.estimateCents
        let taken = account.admit(estimateCents: estimate, at: now)
        let reservation = Reservation(
            executionID: request.executionID, userID: request.userID, agentID: agent.id, version: agent.version,
            limits: limits, hosts: facts.hosts, runtime: facts.tier.runtime, priority: facts.tier.priority,
            estimateCents: estimate, right: right, isAdvance: taken.isAdvance, isProbe: isProbe, admittedAt: now)
        let submission = ExecutionQueue.Submission(
            id: request.executionID, userID: request.userID, agentID: agent.id, priority: facts.tier.priority,
            request: try ticket(reservation), patience: request.patience)
        do {
            try await queue.requireRoom(in: transaction)
        } catch let error as QueueError where error.code == .queueFull {
            return .denied(Denial(.queueFull, error.message).of(.gate))
        }
        // All of it travels with the commit, or with what the caller asks next.
        try queue.submitLater(submission, in: transaction)
        if isProbe { try Gate(configuration.breaker).setProbe(request.executionID, at: now, in: transaction) }
        if let grant = facts.grant, grant.source == right, grant.usesLimit != nil { try use(grant, in: transaction) }
        try account.store(in: transaction)
        try insert(reservation, taken, agent.price.centsPerExecution, facts.rates, in: transaction)
        return .admitted(reservation)
    }

    private func use(_ grant: Grant, in transaction: Transaction) throws {
        try transaction.executeLater(
            """
            UPDATE grants SET uses = uses + 1
            WHERE user_id = \(grant.userID) AND agent_id = \(grant.agentID) AND source = \(grant.source)
            """)
    }

    private func insert(
        _ reservation: Reservation, _ taken: Account.Taken, _ priceCents: Int, _ rates: Rates,
        in transaction: Transaction
    ) throws {
        try transaction.executeLater(
            """
            INSERT INTO reservations (execution_id, user_id, agent_id, agent_version, admitted_at, day, is_advance,
                grant_source, price_cents, cpu_second_rate, gib_second_rate, egress_gib_rate, estimate_cents)
            VALUES (\(reservation.executionID), \(reservation.userID), \(reservation.agentID),
                \(reservation.version.number), \(reservation.admittedAt), \(taken.day.number), \(taken.isAdvance),
                \(reservation.right), \(priceCents), \(rates.cpuSecond), \(rates.gibSecond), \(rates.egressGiB),
                \(reservation.estimateCents))
            """)
    }

    static func unknownUser(_ request: AdmissionRequest) -> Denial {
        Denial(.notFound, "there is no user \(request.userID)").of(.user)
    }
}

extension Rule {
    /// The first rule that does not hold.
    static func first(_ facts: Facts) -> Denial? {
        for rule in allCases {
            if let denial = rule.denial(facts) { return denial }
        }
        return nil
    }

    /// The first of those that need no count of the agent: who fails here waits for nobody at the agent's row.
    static func beforeCounting(_ facts: Facts) -> Denial? {
        for rule in allCases.prefix(while: { $0 != .concurrency }) {
            if let denial = rule.denial(facts) { return denial }
        }
        return nil
    }
}

extension Denial {
    func of(_ rule: Rule) -> Denial {
        var denial = self
        denial.rule = rule
        return denial
    }
}
