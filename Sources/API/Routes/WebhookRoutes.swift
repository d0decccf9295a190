import Foundation
import Hummingbird
import Runner

/// Webhooks, for administrators: what became of them, and the key that signs them.
struct WebhookRoutes {
    let services: APIServices

    var routes: [Route] {
        [
            .get("/webhooks/deliveries", .admin, list),
            .post("/webhooks/rotate-key", .admin, rotate),
        ]
    }

    @Sendable
    private func list(_ call: Call) async throws -> Response {
        var filter = Webhooks.Filter()
        filter.executionID = try call.query("executionId")
        if let text = try call.query("status") {
            guard let state = WebhookDelivery.State(rawValue: text) else {
                let known = WebhookDelivery.State.allCases.map(\.rawValue).joined(separator: ", ")
                throw Problem.badParameter("status", "'\(text.prefix(50))' is none of \(known)")
            }
            filter.state = state
        }
        let page = try await services.accounts.webhooks(
            filter, after: try call.cursor(), limit: try call.limit())
        return try .json(
            List(deliveries: page.deliveries.map { DeliveryDocument($0) }, nextCursor: page.nextCursor))
    }

    @Sendable
    private func rotate(_ call: Call) async throws -> Response {
        try await services.accounts.rotateWebhookKey(by: try call.caller.userID)
        return Response(status: .noContent)
    }

    private struct List: Encodable {
        let deliveries: [DeliveryDocument]
        @Nullable var nextCursor: String?
    }
}

/// A webhook as it is shown.
private struct DeliveryDocument: Encodable {
    struct Attempt: Encodable {
        let number: Int
        let time: String
        let durationMs: Int
        @Nullable var address: String?
        @Nullable var status: Int?
        @Nullable var failure: String?
    }

    let id: String
    let executionId: String
    let userId: String
    let url: String
    let status: String
    let createdAt: String
    @Nullable var nextAttemptAt: String?
    @Nullable var finishedAt: String?
    let attempts: [Attempt]

    init(_ delivery: WebhookDelivery) {
        id = delivery.id
        executionId = delivery.executionID
        userId = delivery.userID
        url = delivery.url
        status = delivery.state.rawValue
        createdAt = delivery.createdAt.rfc3339
        attempts = delivery.attempts.map {
            Attempt(
                number: $0.number, time: $0.time.rfc3339, durationMs: Int($0.duration / .milliseconds(1)),
                address: $0.address, status: $0.status, failure: $0.failure)
        }
        nextAttemptAt = delivery.nextAttemptAt?.rfc3339
        finishedAt = delivery.finishedAt?.rfc3339
    }
}
