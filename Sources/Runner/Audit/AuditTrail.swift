import Foundation
public import Storage

/// The audit trail in the database.
public struct AuditTrail: Sendable {
    /// Entries that are chained or read at once.
    private static let batch = 500

    private let database: Database

    public init(_ database: Database) { self.database = database }

    // MARK: Writing

    /// Chains what was written down by ``AuditLog``, in the order in which it was. Nodes that do so at the same time
    /// wait for each other.
    /// - Returns: how many entries were chained; more may wait.
    /// - Throws: `DatabaseError`, `CancellationError`.
    @discardableResult
    public func seal() async throws -> Int {
        // Most of the time nothing waits: then nobody is made to wait for the head.
        guard try await !database.query("SELECT id FROM audit_pending LIMIT 1").isEmpty else { return 0 }
        return try await database.transaction(isolation: .readCommitted) { transaction in
            try await transaction.execute(
                """
                INSERT INTO audit_head (id, sequence, hash) VALUES (1, 0, \(AuditHead.empty.hash))
                ON CONFLICT (id) DO NOTHING
                """)
            var head = try Self.head(
                try await transaction.query("SELECT sequence, hash FROM audit_head WHERE id = 1 \(.forUpdate)"))
            let waiting = try await transaction.query(
                """
                DELETE FROM audit_pending WHERE id IN (SELECT id FROM audit_pending ORDER BY id LIMIT \(Self.batch))
                RETURNING id, recorded_at, actor, action, subject, detail
                """
            ).map { (id: try $0["id"] as Int64, row: $0) }.sorted { $0.id < $1.id }
            guard !waiting.isEmpty else { return 0 }
            var rows: [SQL] = []
            for (_, row) in waiting {
                let (time, detail): (Date, String) = (try row["recorded_at"], try row["detail"])
                let entry = try AuditEntry(
                    after: head, time: time, actor: row["actor"], action: row["action"], subject: row["subject"],
                    details: Self.details(detail))
                rows.append(
                    """
                    (\(entry.sequence), \(time), \(entry.actor), \(entry.action), \(entry.subject), \(detail),
                    \(entry.previousHash), \(entry.hash))
                    """)
                head = entry.head
            }
            let values: SQL = rows.joined(by: ", ")
            try await transaction.execute(
                """
                INSERT INTO audit (sequence, recorded_at, actor, action, subject, detail, previous_hash, hash)
                VALUES \(values)
                """)
            try await transaction.execute(
                "UPDATE audit_head SET sequence = \(head.sequence), hash = \(head.hash) WHERE id = 1")
            return waiting.count
        }
    }

    // MARK: Reading

    /// Where the trail ends, by its own account.
    public func head() async throws -> AuditHead {
        try Self.head(try await database.query("SELECT sequence, hash FROM audit_head WHERE id = 1"))
    }

    /// Entries after a place in the trail, the oldest first.
    /// - Parameters:
    ///   - subject: of these only; nil for all.
    ///   - limit: 1 to 500.
    public func entries(after sequence: Int64, subject: String? = nil, limit: Int) async throws -> [AuditEntry] {
        let ofSubject: SQL = subject.map { "AND subject = \($0)" } ?? ""
        return try await database.query(
            """
            SELECT sequence, recorded_at, actor, action, subject, detail, previous_hash, hash FROM audit
            WHERE sequence > \(sequence) \(ofSubject) ORDER BY sequence LIMIT \(min(limit, Self.batch))
            """
        ).map { row in
            let (time, detail): (Date, String) = (try row["recorded_at"], try row["detail"])
            return AuditEntry(
                sequence: try row["sequence"], time: time.rfc3339, actor: try row["actor"],
                action: try row["action"], subject: try row["subject"], details: Self.details(detail),
                previousHash: try row["previous_hash"], hash: try row["hash"])
        }
    }

    /// Reads the whole trail and checks each entry against the one before it, and the last one against the head.
    /// - Parameter known: a head that was kept elsewhere.
    /// - Returns: the trail's head, and how many entries wait to be chained.
    /// - Throws: ``AuditVerifier/Fault`` for the first thing that is wrong; `DatabaseError`, `CancellationError`.
    public func verify(known: AuditHead? = nil) async throws -> (head: AuditHead, waiting: Int) {
        // First the head: entries that come meanwhile stand behind it.
        let last = try await head()
        var verifiers = [AuditVerifier(known: last)]
        if let known { verifiers.append(AuditVerifier(known: known)) }
        var end = AuditHead.empty
        while true {
            let entries = try await entries(after: end.sequence, limit: Self.batch)
            for entry in entries {
                for index in verifiers.indices { try verifiers[index].take(entry) }
            }
            guard let newest = entries.last else { break }
            end = newest.head
        }
        for verifier in verifiers { try verifier.finish() }
        let waiting = try await database.query("SELECT count(*) AS number FROM audit_pending").first
        return (end, try waiting?["number"] ?? 0)
    }

    private static func head(_ rows: [Row]) throws -> AuditHead {
        guard let row = rows.first else { return .empty }
        return AuditHead(sequence: try row["sequence"], hash: try row["hash"])
    }

    /// What is no JSON, because somebody has written into the table, is what it is: its hash is wrong.
    private static func details(_ text: String) -> JSONValue {
        (try? JSONValue(parsing: Array(text.utf8))) ?? .string(text)
    }
}
