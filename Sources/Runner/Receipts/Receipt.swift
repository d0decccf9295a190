public import Entitlements

/// What can be shown of an execution that has ended; docs/receipts.md says what each field means.
///
/// Fields that the execution's own document has are named as there.
public struct Receipt: Sendable, Equatable {
    /// Of which form it is. In what is signed, so that no other signed thing can be taken for a receipt.
    static let type = "paddock.receipt.v1"

    /// The log, as it was stored.
    public struct Log: Sendable, Equatable, Codable {
        public let stdout: ContentDigest
        public let stderr: ContentDigest
        /// Left out, as past the log's limit, and in neither hash.
        public let droppedBytes: Int64
    }

    /// As in the document, what mode `none` has no use for is left out.
    public struct Network: Sendable, Equatable, Codable {
        /// `none` or `allowlist`.
        public let mode: String
        /// `HOST:PORT`, in mode `allowlist`.
        public let allow: [String]?
        /// Of the document's `network.connections`, in mode `allowlist`.
        public let connections: ContentDigest?
    }

    public let id: ExecutionID
    public let agentID: String
    public let userID: String
    /// `sha256:…` of the image that ran.
    public let image: String
    public let status: Execution.Status
    public let reason: Execution.Reason?
    public let exitCode: Int?
    public let signal: String?
    public let notes: [Execution.Note.Code]
    /// RFC 3339, UTC, milliseconds.
    public let createdAt: String
    public let startedAt: String?
    public let finishedAt: String
    public let limits: Limits
    public let network: Network
    public let runtime: String?
    public let usage: Execution.Usage
    /// Of the input in canonical form.
    public let input: ContentDigest
    /// Of the output in canonical form; nil where the document's is null.
    public let output: ContentDigest?
    public internal(set) var log: Log
    /// nil where it ended before the sandbox was looked at.
    public let policy: PolicyEvidence?
    /// The entry of the audit trail that tells of its ending; nil where there is no trail.
    public internal(set) var audit: AuditHead?
}

extension Receipt {
    /// An execution that is still going on.
    struct NotEnded: Error, CustomStringConvertible {
        let id: ExecutionID
        var description: String { "\(id) has not ended: there is no receipt of it yet" }
    }

    /// - Parameters:
    ///   - input: as the agent got it.
    ///   - policy: asked and held.
    ///   - audit: the entry that tells of its ending.
    /// - Throws: when the execution has not ended, or its input is no JSON.
    public init(
        of execution: Execution, input: [UInt8], log: Log, policy: PolicyEvidence?, audit: AuditHead? = nil
    ) throws {
        guard execution.status.isFinal, let finishedAt = execution.finishedAt else {
            throw NotEnded(id: execution.id)
        }
        id = execution.id
        agentID = execution.agentID
        userID = execution.userID
        image = execution.image
        status = execution.status
        reason = execution.reason
        exitCode = execution.exitCode
        signal = execution.signal
        notes = execution.notes.map(\.code)
        createdAt = execution.createdAt.rfc3339
        startedAt = execution.startedAt?.rfc3339
        self.finishedAt = finishedAt.rfc3339
        limits = execution.limits
        network = Network(
            mode: execution.network.mode, allow: execution.network.allow,
            connections: try execution.network.connections.map { try ContentDigest(of: JSONValue(encoding: $0)) })
        runtime = execution.runtime
        usage = execution.usage
        self.input = try ContentDigest(of: JSONValue(parsing: input))
        output = execution.output == .null ? nil : try ContentDigest(of: execution.output)
        self.log = log
        self.policy = policy
        self.audit = audit
    }
}
