import Foundation
import Storage

/// What became of webhooks, for whoever asks.
extension Webhooks {
    /// Which ones are asked for; nil for all.
    public struct Filter: Sendable {
        public var executionID: String?
        public var state: WebhookDelivery.State?

        public init() {}
    }

    /// What became of an execution's webhook; nil for one without.
    public func delivery(of executionID: String) async throws -> WebhookDelivery? {
        var filter = Filter()
        filter.executionID = executionID
        return try await deliveries(filter, after: nil, limit: 1).deliveries.first
    }

    /// - Parameter cursor: the id of the last one of the page before.
    /// - Returns: a page, newest first, and the cursor of the next one.
    public func deliveries(
        _ filter: Filter, after cursor: String?, limit: Int
    ) async throws -> (deliveries: [WebhookDelivery], nextCursor: String?) {
        var conditions: [SQL] = []
        if let cursor { conditions.append("id < \(cursor)") }
        if let executionID = filter.executionID { conditions.append("execution_id = \(executionID)") }
        if let state = filter.state { conditions.append("state = \(state)") }
        let all: SQL = conditions.isEmpty ? "" : "WHERE \(conditions.joined(by: " AND "))"
        let rows = try await database.query(
            """
            SELECT id, execution_id, user_id, url, state, next_attempt_at, created_at, finished_at
            FROM webhook_deliveries \(all) ORDER BY id DESC LIMIT \(limit + 1)
            """)
        let page = rows.prefix(limit)
        let attempts = try await attempts(of: page.map { try $0["id"] })
        let deliveries = try page.map { row in
            let id: String = try row["id"]
            return WebhookDelivery(
                id: id, executionID: try row["execution_id"], userID: try row["user_id"], url: try row["url"],
                state: try row["state"], nextAttemptAt: try row["next_attempt_at"], createdAt: try row["created_at"],
                finishedAt: try row["finished_at"], attempts: attempts[id] ?? [])
        }
        return (deliveries, rows.count > limit ? deliveries.last?.id : nil)
    }

    private func attempts(of ids: [String]) async throws -> [String: [WebhookDelivery.Attempt]] {
        guard !ids.isEmpty else { return [:] }
        let all: [SQL] = ids.map { "\($0)" }
        let rows = try await database.query(
            """
            SELECT delivery_id, number, attempted_at, duration_ms, address, status, failure FROM webhook_attempts
            WHERE delivery_id IN (\(all.joined(by: ", "))) ORDER BY delivery_id, number
            """)
        var attempts: [String: [WebhookDelivery.Attempt]] = [:]
        for row in rows {
            let milliseconds: Int = try row["duration_ms"]
            attempts[try row["delivery_id"], default: []].append(
                WebhookDelivery.Attempt(
                    number: try row["number"], time: try row["attempted_at"], duration: .milliseconds(milliseconds),
                    address: try row["address"], status: try row["status"], failure: try row["failure"]))
        }
        return attempts
    }
}
