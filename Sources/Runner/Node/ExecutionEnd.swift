import Entitlements
import Storage

/// What belongs to the end of an execution beside its row: written in the transaction that ends it, wherever that is.
enum ExecutionEnd {
    /// The audit entry's.
    static let action = "execution.finished"

    /// - Parameters:
    ///   - execution: as it was before its end.
    ///   - ended: its document; nil for one whose request cannot be read.
    ///   - usage: nil when no code of the agent's has run.
    ///   - receipt: nil where no runner has brought it to its end. One that cannot be made does not keep it from ending.
    ///   - isSettled: false where that cannot be done: what was reserved stays so.
    ///   - actor: who ended it: a node, a user.
    static func record(
        _ execution: StoredExecution, _ ended: Execution?, usage: StoredUsage? = nil, receipt: ReceiptDraft? = nil,
        isSettled: Bool = true, actor: String, in transaction: Transaction
    ) async throws {
        if isSettled {
            try await Settlement().settle(
                execution.id, state: ended?.status.stored ?? .lost, reason: ended?.reason?.rawValue, usage: usage,
                in: transaction)
        }
        let detail: JSONValue = .object([
            "status": .string((ended?.status ?? .lost).rawValue),
            "reason": ended?.reason.map { .string($0.rawValue) } ?? .null,
            "exitCode": ended?.exitCode.map { .integer(Int64($0)) } ?? .null,
        ])
        if let ended, let receipt = try? receipt ?? ReceiptDraft(of: ended, before: execution) {
            try StoredReceipt.store(receipt, of: execution.id, in: transaction)
        }
        try SecretBox.remove(execution.id, in: transaction)
        try await Webhooks.enqueue(execution.id, in: transaction)
        try await AuditLog.append(
            actor: actor, action: action, subject: execution.id, detail: detail.text, in: transaction)
    }
}

extension JSONValue {
    /// Compact JSON. A value made of strings, whole numbers and null always has one.
    var text: String { (try? serialized()).map { String(decoding: $0, as: UTF8.self) } ?? "{}" }
}
