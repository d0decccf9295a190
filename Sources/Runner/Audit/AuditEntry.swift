public import Foundation

/// One decision or change of state, chained to the one before it.
public struct AuditEntry: Sendable, Equatable {
    /// Of which form it is. In what is hashed, so that an entry can be taken for nothing else.
    static let type = "paddock.audit.v1"

    /// From 1, without gaps.
    public let sequence: Int64
    /// RFC 3339, UTC, milliseconds: as text, since that is what is hashed.
    public let time: String
    /// Who did it: a user, a key, a runner.
    public let actor: String
    /// What was done, such as `execution.finished`.
    public let action: String
    /// To what: an id.
    public let subject: String
    public let details: JSONValue
    /// Of the entry before it; ``AuditHead/empty``'s for the first.
    public let previousHash: String
    /// SHA-256 of all of the above in canonical form, in hexadecimal.
    public let hash: String

    /// The next entry of a trail.
    /// - Throws: for details that are no JSON.
    public init(
        after head: AuditHead, time: Date, actor: String, action: String, subject: String, details: JSONValue
    ) throws {
        let unsealed = AuditEntry(
            sequence: head.sequence + 1, time: time.rfc3339, actor: actor, action: action, subject: subject,
            details: details, previousHash: head.hash, hash: "")
        self.init(
            sequence: unsealed.sequence, time: unsealed.time, actor: actor, action: action, subject: subject,
            details: details, previousHash: unsealed.previousHash, hash: try unsealed.computedHash())
    }

    /// An entry as it was stored, which is not to be believed before it is verified.
    public init(
        sequence: Int64, time: String, actor: String, action: String, subject: String, details: JSONValue,
        previousHash: String, hash: String
    ) {
        self.sequence = sequence
        self.time = time
        self.actor = actor
        self.action = action
        self.subject = subject
        self.details = details
        self.previousHash = previousHash
        self.hash = hash
    }

    /// The place in the trail that this entry takes.
    public var head: AuditHead { AuditHead(sequence: sequence, hash: hash) }

    func computedHash() throws -> String {
        let value: JSONValue = .object([
            "type": .string(Self.type), "sequence": .integer(sequence), "time": .string(time), "actor": .string(actor),
            "action": .string(action), "subject": .string(subject), "details": details,
            "previousHash": .string(previousHash),
        ])
        return try ContentDigest(of: value).sha256
    }
}
