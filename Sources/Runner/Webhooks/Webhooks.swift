import Crypto
import Foundation
import Metrics
public import Storage

/// The webhooks in the database: written with the execution, due with its end, and taken by one sender at a time.
public struct Webhooks: Sendable {
    /// For receivers to take their new secret, after a rotation.
    public static let overlap: Duration = .seconds(86_400)

    let database: Database

    public init(_ database: Database) { self.database = database }

    /// Remembers where an execution's end is to be told. Part of the transaction that submits it; again changes nothing.
    public static func register(
        _ url: WebhookURL, for executionID: String, userID: String, trace: TraceContext?, in transaction: Transaction
    ) async throws {
        try await transaction.execute(
            """
            INSERT INTO webhook_deliveries (id, execution_id, user_id, url, trace, state, created_at)
            VALUES (\(deliveryID(executionID)), \(executionID), \(userID), \(url.description),
                \(trace?.description), 'waiting', \(.now))
            ON CONFLICT DO NOTHING
            """)
    }

    /// The execution has ended: what was registered for it is due now. Part of the transaction that ends it; does
    /// nothing where nothing was registered, or for a second time.
    public static func enqueue(_ executionID: String, in transaction: Transaction) async throws {
        try transaction.executeLater(
            """
            UPDATE webhook_deliveries SET state = 'pending', next_attempt_at = \(.now)
            WHERE execution_id = \(executionID) AND state = 'waiting'
            """)
    }

    /// The secret that a user's receivers check signatures with. The first call of all makes the key behind it.
    public func secret(of userID: String) async throws -> WebhookSecret { try await secrets(of: userID).current }

    /// What a user's webhooks are signed with: the secret, and for a while after a rotation the one before.
    func secrets(of userID: String) async throws -> (current: WebhookSecret, previous: WebhookSecret?) {
        while true {
            let rows = try await database.query(
                """
                SELECT secret, CASE WHEN previous_until > \(.now) THEN previous END AS previous FROM webhook_keys
                """)
            if let row = rows.first {
                let previous: [UInt8]? = try row["previous"]
                return (
                    WebhookSecret(master: try row["secret"], userID: userID),
                    previous.map { WebhookSecret(master: $0, userID: userID) }
                )
            }
            try await database.execute(
                """
                INSERT INTO webhook_keys (id, secret, created_at) VALUES (1, \(Self.freshKey()), \(.now))
                ON CONFLICT DO NOTHING
                """)
        }
    }

    /// Replaces the key behind all secrets. What the one before gives signs too, for ``overlap``.
    static func rotateKey(in transaction: Transaction) async throws {
        let until = Int64(overlap / .milliseconds(1))
        try await transaction.execute(
            """
            INSERT INTO webhook_keys (id, secret, created_at) VALUES (1, \(freshKey()), \(.now))
            ON CONFLICT (id) DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at,
                previous = webhook_keys.secret, previous_until = \(.now) + \(until)
            """)
    }

    private static func freshKey() -> [UInt8] { SymmetricKey(size: .bits256).withUnsafeBytes { Array($0) } }

    /// How many are still to be delivered, as a gauge; NaN while the database is away.
    public func measure() async {
        let rows = try? await database.query(
            "SELECT count(*) AS pending FROM webhook_deliveries WHERE state = 'pending'")
        let pending: Int? = try? rows?.first?["pending"]
        Meter(label: "paddock.webhooks.pending").set(pending.map(Double.init) ?? .nan)
    }

    // MARK: For senders

    /// Takes one that is due. Nobody else gets it before the lease has run out, and its attempt counts from now on.
    /// - Parameter busy: users of whom no more is to be sent at this time.
    func claim(for lease: Duration, except busy: [String]) async throws -> ClaimedWebhook? {
        let others: SQL = busy.isEmpty ? "" : " AND user_id NOT IN (\(busy.map { "\($0)" as SQL }.joined(by: ", ")))"
        let milliseconds = Int64(lease / .milliseconds(1))
        return try await database.transaction(isolation: .readCommitted) { transaction in
            let rows = try await transaction.query(
                """
                UPDATE webhook_deliveries
                SET attempts = attempts + 1, next_attempt_at = \(.now) + \(milliseconds)
                WHERE id = (
                    SELECT id FROM webhook_deliveries
                    WHERE state = 'pending' AND next_attempt_at <= \(.now)\(others)
                    ORDER BY next_attempt_at LIMIT 1 \(.forUpdateSkipLocked))
                RETURNING id, execution_id, user_id, url, trace, attempts
                """)
            guard let row = rows.first else { return nil }
            guard let execution = try await ExecutionQueue().find(try row["execution_id"], in: transaction) else {
                return nil
            }
            return ClaimedWebhook(
                id: try row["id"], execution: execution, userID: try row["user_id"], url: try row["url"],
                trace: try row["trace"], attempt: try row["attempts"])
        }
    }

    /// Writes an attempt down, and what follows from it.
    /// - Parameter pause: until the next one; nil when there is none.
    /// - Returns: false when somebody else has taken it meanwhile, as after a lease that ran out.
    @discardableResult
    func finish(
        _ claim: ClaimedWebhook, _ outcome: WebhookOutcome, took duration: Duration, nextIn pause: Duration?
    ) async throws -> Bool {
        let isDelivered = if case .delivered = outcome.verdict { true } else { false }
        let state: WebhookDelivery.State = isDelivered ? .delivered : pause == nil ? .failed : .pending
        let milliseconds = Int64(duration / .milliseconds(1))
        let (next, finished): (SQL, SQL) =
            pause.map { ("\(.now) + \(Int64($0 / .milliseconds(1)))", "NULL") } ?? ("NULL", "\(.now)")
        return try await database.transaction(isolation: .readCommitted) { transaction in
            let changed = try await transaction.execute(
                """
                UPDATE webhook_deliveries SET state = \(state), next_attempt_at = \(next), finished_at = \(finished)
                WHERE id = \(claim.id) AND state = 'pending' AND attempts = \(claim.attempt)
                """)
            guard changed == 1 else { return false }
            try await transaction.execute(
                """
                INSERT INTO webhook_attempts (delivery_id, number, attempted_at, duration_ms, address, status, failure)
                VALUES (\(claim.id), \(claim.attempt), \(.now) - \(milliseconds), \(milliseconds), \(outcome.address),
                    \(outcome.status), \(outcome.failure))
                """)
            return true
        }
    }

    private static func deliveryID(_ executionID: String) -> String {
        "msg_" + (executionID.hasPrefix("exe_") ? String(executionID.dropFirst(4)) : executionID)
    }
}
