public import Foundation

/// What came of a request.
public enum Decision: Sendable {
    /// It is in the queue once the transaction is committed.
    case admitted(Reservation)
    /// An execution with this id was admitted before, in a transaction whose answer may have been lost. Nothing was
    /// reserved again.
    case admittedBefore
    case denied(Denial)
}

/// What an admitted execution got. It is kept until the execution is settled.
public struct Reservation: Sendable, Equatable {
    public let executionID: String
    public let userID: String
    public let agentID: String
    /// What is run, with its image's digest.
    public let version: AgentVersion
    /// Defaults filled in.
    public let limits: Limits
    /// `HOST:PORT`; empty for no network.
    public let hosts: [String]
    /// The runtime class; nil for the host's own choice.
    public let runtime: String?
    public let priority: Int
    /// Set aside of the user's balance.
    public let estimateCents: Int
    /// What gave the right.
    public let right: Grant.Source
    /// Whether it was taken from what was reserved in advance, and not from the day's quota.
    public let isAdvance: Bool
    /// Whether its end decides about the circuit breaker.
    public let isProbe: Bool
    public let admittedAt: Date
}
