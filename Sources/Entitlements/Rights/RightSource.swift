public import Foundation
public import Storage

/// Somebody else who knows of rights, such as a chain on which a wallet's balance of a token is one.
public protocol RightSource: Sendable {
    /// Whether the user has the right to run the agent, as of now.
    /// - Throws: when it cannot be found out.
    func hasRight(_ user: User, to agent: Agent) async throws -> Bool
}

/// Asks a ``RightSource``, and keeps what it said as a grant of source `chain`.
///
/// A source is asked before a decision, and never in its transaction. What it said is believed for
/// ``Admission/Configuration/chainAge``; from half of that on it is asked again. So a chain that cannot be reached denies
/// once what it last said is older than that age; with an age of 0 s, at once.
public struct ChainRights: Sendable {
    /// What came of asking.
    public enum Outcome: Sendable, Equatable {
        /// Nobody had to be asked.
        case known
        case confirmed
        case absent
        /// The source could not be reached; what it last said stays, for as long as it is believed.
        case unreachable
    }

    private let source: any RightSource
    private let age: Double
    private let timeout: Duration
    private let now: @Sendable () -> Date

    /// - Parameters:
    ///   - age: seconds, as in ``Admission/Configuration/chainAge``.
    ///   - timeout: longest wait for the source.
    public init(
        _ source: any RightSource, age: Double = 300, timeout: Duration = .seconds(5),
        now: @escaping @Sendable () -> Date = { Date() }
    ) {
        self.source = source
        self.age = age
        self.timeout = timeout
        self.now = now
    }

    /// Brings what is kept up to date, where the agent is bought on chain and the user has a wallet.
    /// - Throws: `DatabaseError`, `CancellationError`, and ``EntitlementError`` when there is no such user or agent.
    @discardableResult
    public func refresh(userID: String, agentID: String, on database: Database) async throws -> Outcome {
        guard let user = try await UserRepository().find(userID, in: database) else {
            throw EntitlementError.notFound("user", userID)
        }
        guard let agent = try await AgentRepository().find(agentID, in: database) else {
            throw EntitlementError.notFound("agent", agentID)
        }
        guard agent.price.token != Price.chargedToken, !agent.price.isFree, user.walletAddress != nil else {
            return .known
        }
        let kept = try await GrantRepository().list(userID: userID, agentID: agentID, in: database).elements
            .first { $0.source == .chain }
        if let checkedAt = kept?.checkedAt, checkedAt > now() - age / 2 { return .known }
        let hasRight: Bool
        do {
            hasRight = try await asked(user, agent)
        } catch {
            try Task.checkCancellation()
            return .unreachable
        }
        try await database.transaction(isolation: .readCommitted) { transaction in
            if hasRight {
                try await GrantRepository(now: now).grant(
                    userID: userID, agentID: agentID, source: .chain, by: "chain", in: transaction)
            } else {
                try await GrantRepository(now: now).revoke(
                    userID: userID, agentID: agentID, source: .chain, by: "chain", in: transaction)
            }
        }
        return hasRight ? .confirmed : .absent
    }

    private struct TooLate: Error {}

    private func asked(_ user: User, _ agent: Agent) async throws -> Bool {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask { try await source.hasRight(user, to: agent) }
            group.addTask {
                try await Task.sleep(for: timeout)
                throw TooLate()
            }
            defer { group.cancelAll() }
            return try await group.next() ?? false
        }
    }
}
