import Foundation
import Logging
import Storage

/// Signs receipts of executions whose ending has its place in the audit trail.
struct ReceiptSigner: Sendable {
    /// At once.
    private static let batch = 50

    let logs: LogRepository
    let keys: KeyFolder
    let logger: Logger

    /// - Returns: how many are done; more may wait.
    /// - Throws: `DatabaseError`, ``KeyFolder/Failure``, `CancellationError`; what was not signed waits then.
    func sign() async throws -> Int {
        let database = logs.database
        let due = try await database.query(
            """
            SELECT due.execution_id, due.draft, audit.sequence, audit.hash
            FROM receipts_due AS due JOIN audit
                ON audit.subject = due.execution_id AND audit.action = \(ExecutionEnd.action)
            LIMIT \(Self.batch)
            """)
        guard !due.isEmpty else { return 0 }
        let key = try keys.signingKey()
        for row in due {
            let id: String = try row["execution_id"]
            let head = AuditHead(sequence: try row["sequence"], hash: try row["hash"])
            let receipt = try await signed(id, draft: row["draft"], at: head, key)
            try await database.transaction(isolation: .readCommitted) { transaction in
                // Another node may have been faster.
                let isOurs = try await transaction.query(
                    "DELETE FROM receipts_due WHERE execution_id = \(id) RETURNING execution_id")
                guard !isOurs.isEmpty, let receipt else { return }
                try await StoredReceipt.store(receipt, of: id, in: transaction)
            }
        }
        return due.count
    }

    /// - Returns: JSON; nil for one that cannot be made.
    private func signed(
        _ id: String, draft: String, at head: AuditHead, _ key: SigningKey
    ) async throws -> String? {
        do {
            let draft = try JSONDecoder().decode(ReceiptDraft.self, from: Data(draft.utf8))
            var receipt = draft.receipt
            if !draft.isLogKnown { receipt.log = try await logs.digest(of: receipt.id) }
            receipt.audit = head
            return String(decoding: try key.sign(receipt).serialized(), as: UTF8.self)
        } catch let error as DatabaseError where error.mayPass {
            throw error
        } catch let error as CancellationError {
            throw error
        } catch {
            // It must not keep the others waiting.
            logger.error("an execution has no receipt", metadata: ["execution": "\(id)", "error": "\(error)"])
            return nil
        }
    }
}

extension LogRepository {
    /// Of all that is stored.
    fileprivate func digest(of execution: ExecutionID) async throws -> Receipt.Log {
        var digest = LogDigest()
        var (offset, dropped): (Int64, Int64) = (0, 0)
        while true {
            let records = try await records(of: execution, from: offset)
            guard let last = records.last else { return digest.log(droppedBytes: dropped) }
            for record in records {
                switch record.content {
                case .bytes(let bytes, let stream): digest.update(bytes[...], of: stream)
                case .truncated(let bytes): dropped += bytes
                case .gap: break
                }
            }
            offset = last.end
        }
    }
}
