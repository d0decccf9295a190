public import Storage

/// Receipts of executions in the database, written in the transaction that ends them.
public enum StoredReceipt {
    /// - Parameter receipt: a signed receipt's JSON.
    static func store(_ receipt: String, of execution: String, in transaction: Transaction) async throws {
        try await transaction.execute(
            "INSERT INTO execution_receipts (execution_id, receipt) VALUES (\(execution), \(receipt))")
    }

    /// - Returns: a signed receipt's JSON; nil while the execution has not ended, and for one that never had a sandbox.
    /// - Throws: `DatabaseError`, `CancellationError`.
    public static func find(_ execution: ExecutionID, in database: Database) async throws -> String? {
        try await database.query(
            "SELECT receipt FROM execution_receipts WHERE execution_id = \(execution.description)"
        ).first.map { try $0["receipt"] }
    }
}
