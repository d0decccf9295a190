/// Where decisions and changes of state are written down, in the transaction that they are part of, with its
/// next statement.
///
/// They wait in a table of their own, in which writers are not in each other's way; a node chains what waits, entry by
/// entry, about once a second.
public enum AuditLog {
    /// - Parameters:
    ///   - actor: who did it: a user's id, a node's name.
    ///   - action: what was done, such as `execution.finished`.
    ///   - subject: to what: an id.
    ///   - detail: a JSON object.
    /// - Throws: ``DatabaseError``.
    public static func append(
        actor: String, action: String, subject: String, detail: String = "{}", in transaction: Transaction
    ) async throws {
        try transaction.executeLater(
            """
            INSERT INTO audit_pending (recorded_at, actor, action, subject, detail)
            VALUES (\(.now), \(actor), \(action), \(subject), \(detail))
            """)
    }
}
