public import Storage

/// What each rule says of a request.
public struct Explanation: Sendable, Equatable, Codable {
    /// One rule's word.
    public struct Verdict: Sendable, Equatable, Codable {
        /// Its number and place in the order.
        public let number: Int
        public let rule: String
        /// nil when it holds.
        public let denial: Denial?
    }

    public let verdicts: [Verdict]
    /// What would be set aside.
    public let estimateCents: Int
    /// What gives the right to run the agent; nil for none.
    public let right: Grant.Source?

    public var isAdmitted: Bool { verdicts.allSatisfy { $0.denial == nil } }
}

extension Admission {
    /// What the rules would say now. Reserves nothing, and waits for nobody.
    public func explain(_ request: AdmissionRequest, in executor: some SQLExecutor) async throws -> Explanation {
        guard
            let read = try await Facts.read(request, at: now(), settings, in: executor)
        else {
            let verdict = Explanation.Verdict(
                number: Rule.user.rawValue, rule: Rule.user.name, denial: Self.unknownUser(request))
            return Explanation(verdicts: [verdict], estimateCents: 0, right: nil)
        }
        var facts = read.facts
        try await facts.countAgent(in: executor)
        let verdicts = Rule.allCases.map {
            Explanation.Verdict(number: $0.rawValue, rule: $0.name, denial: $0.denial(facts))
        }
        return Explanation(verdicts: verdicts, estimateCents: facts.estimateCents, right: facts.right)
    }

    /// Decides in a transaction of its own. If it cannot be decided, that is a denial.
    ///
    /// When the answer of a commit was lost, it is asked again by the execution's id.
    /// - Parameters:
    ///   - ticket: makes the stored request's text.
    ///   - also: what is written with it; only where it is admitted.
    /// - Throws: what `ticket` and `also` throw, and `CancellationError`: nothing is written then.
    public func admit(
        _ request: AdmissionRequest, on database: Database, ticket: (Reservation) throws -> String,
        also: (Reservation, Transaction) async throws -> Void = { _, _ in }
    ) async throws -> Decision {
        for _ in 0..<Self.attempts {
            do {
                return try await database.transaction(isolation: .readCommitted) { transaction in
                    let decision = try await admit(request, in: transaction, ticket: ticket)
                    if case .admitted(let reservation) = decision { try await also(reservation, transaction) }
                    return decision
                }
            } catch let error as DatabaseError where [.commitUnknown, .uniqueViolation].contains(error.code) {
                // The second: somebody else has taken the id since it was looked for.
                continue
            } catch let error as DatabaseError {
                return .denied(Self.undecided("\(error.code)"))
            }
        }
        return .denied(Self.undecided("commit_unknown"))
    }

    /// For a commit whose answer is lost, and an id that is taken meanwhile.
    private static let attempts = 3

    private static func undecided(_ why: String) -> Denial {
        Denial(.databaseUnavailable, "nothing can be decided now (\(why)): try again later").of(.gate)
    }
}
