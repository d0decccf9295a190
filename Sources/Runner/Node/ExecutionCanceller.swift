public import Storage

/// Ends executions before their time, in whatever state they are.
public struct ExecutionCanceller: Sendable {
    private let database: Database
    private let queue: ExecutionQueue

    public init(_ database: Database, queue: ExecutionQueue = ExecutionQueue()) {
        self.database = database
        self.queue = queue
    }

    /// One that waits ends now. One that runs is told to end by its node, wherever that is.
    /// - Parameters:
    ///   - actor: who asks.
    ///   - grace: from SIGTERM to SIGKILL; nil for the execution's own.
    ///   - reason: for its message.
    /// - Returns: the execution as it is then, unchanged if it had ended; nil when there is none.
    /// - Throws: `DatabaseError`, `CancellationError`.
    @discardableResult
    public func cancel(
        _ id: ExecutionID, actor: String, grace: Duration? = nil, reason: String? = nil
    ) async throws -> StoredExecution? {
        let (execution, isEnded) = try await database.transaction(isolation: .readCommitted) {
            transaction -> (StoredExecution?, Bool) in
            guard let before = try await queue.find(id.description, locked: true, in: transaction) else {
                return (nil, false)
            }
            if before.state.isEnd || before.cancellation != nil { return (before, false) }
            let ended = Execution.ended(before, .canceled, .canceled, Self.message(reason))
            let after = try await queue.cancel(
                id.description, ending: try ended.text, grace: grace, reason: reason, in: transaction)
            try await AuditLog.append(
                actor: actor, action: "execution.cancel_requested", subject: before.id,
                detail: JSONValue.object(["reason": reason.map { .string($0) } ?? .null]).text, in: transaction)
            let isEnded = after?.state.isEnd == true
            if isEnded { try await ExecutionEnd.record(before, ended, actor: actor, in: transaction) }
            return (after, isEnded)
        }
        if isEnded { RunnerMetrics.ended(.canceled, .canceled) }
        return execution
    }

    /// What a canceled execution says of its end.
    static func message(_ reason: String?) -> String { reason.map { "canceled: \($0)" } ?? "canceled" }
}
