public import Foundation
public import Storage

/// A webhook: what is told at the end of one execution, and what became of it.
public struct WebhookDelivery: Sendable {
    public enum State: String, Sendable, CaseIterable, SQLConvertible {
        /// The execution has not ended.
        case waiting
        /// To be sent, or sent again.
        case pending
        case delivered
        /// Given up.
        case failed
    }

    /// One try.
    public struct Attempt: Sendable {
        public let number: Int
        public let time: Date
        public let duration: Duration
        /// That was connected to.
        public let address: String?
        /// The receiver's answer.
        public let status: Int?
        /// Why it counts as failed; nil for one that went well.
        public let failure: String?
    }

    /// `msg_…`, the same in each attempt: a receiver that has seen it has seen this webhook.
    public let id: String
    public let executionID: String
    public let userID: String
    public let url: String
    public let state: State
    /// The next try; nil unless it is pending.
    public let nextAttemptAt: Date?
    public let createdAt: Date
    public let finishedAt: Date?
    public let attempts: [Attempt]
}

/// A webhook that one sender has taken, for one attempt.
struct ClaimedWebhook: Sendable {
    let id: String
    /// As it ended.
    let execution: StoredExecution
    let userID: String
    let url: String
    let trace: String?
    /// Counts from 1, and is the claim's fence.
    let attempt: Int
}

/// What came of an attempt.
struct WebhookOutcome: Sendable {
    enum Verdict: Sendable {
        case delivered
        /// To be tried again, and not before the receiver asked for.
        case failed(retryAfter: Duration?)
        /// Never to be tried again.
        case refused
    }

    var verdict: Verdict
    var address: String?
    var status: Int?
    var failure: String?
}
