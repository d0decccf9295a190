import Foundation
public import Storage

/// Receipts of executions in the database.
public enum StoredReceipt {
    /// In the transaction that ends the execution.
    static func store(_ draft: ReceiptDraft, of execution: String, in transaction: Transaction) throws {
        let text = String(decoding: try JSONEncoder().encode(draft), as: UTF8.self)
        try transaction.executeLater(
            "INSERT INTO receipts_due (execution_id, draft) VALUES (\(execution), \(text))")
    }

    /// - Parameter receipt: a signed receipt's JSON.
    static func store(_ receipt: String, of execution: String, in transaction: Transaction) async throws {
        try await transaction.execute(
            "INSERT INTO execution_receipts (execution_id, receipt) VALUES (\(execution), \(receipt))")
    }

    /// - Returns: a signed receipt's JSON; nil while the execution has not ended, and until a node has signed it.
    /// - Throws: `DatabaseError`, `CancellationError`.
    public static func find(_ execution: ExecutionID, in database: Database) async throws -> String? {
        try await database.query(
            "SELECT receipt FROM execution_receipts WHERE execution_id = \(execution.description)"
        ).first.map { try $0["receipt"] }
    }

    /// Whether it waits for a node to sign it.
    static func isDue(_ execution: ExecutionID, in database: Database) async throws -> Bool {
        try await !database.query(
            "SELECT execution_id FROM receipts_due WHERE execution_id = \(execution.description)"
        ).isEmpty
    }
}
