import Foundation
import Storage

/// A receipt that lacks its place in the audit trail, and with that its signature: it is written in the transaction that
/// ends the execution, and a node signs it when the trail has that entry.
struct ReceiptDraft: Sendable, Codable {
    var receipt: Receipt
    /// false where the log has to be read for its hashes.
    let isLogKnown: Bool

    /// - Parameter log: nil where nobody has seen all of it pass by.
    init(of execution: Execution, input: [UInt8], log: Receipt.Log?, policy: PolicyEvidence?) throws {
        receipt = try Receipt(
            of: execution, input: input, log: log ?? LogDigest().log(droppedBytes: 0), policy: policy)
        isLogKnown = log != nil
    }

    /// Of an execution that no runner has brought to its end.
    /// - Parameter before: as it was before that.
    init(of execution: Execution, before: StoredExecution) throws {
        let decoder = JSONDecoder()
        let ticket = try decoder.decode(ExecutionTicket.self, from: Data(before.request.utf8))
        let launch = try before.launch.map { try decoder.decode(Launch.self, from: Data($0.utf8)) }
        // What was not launched has written nothing.
        try self.init(
            of: execution, input: Array(ticket.input.utf8),
            log: launch == nil ? LogDigest().log(droppedBytes: 0) : nil, policy: launch?.policy)
    }
}
