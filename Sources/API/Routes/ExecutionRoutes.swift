import Crypto
import Entitlements
import Foundation
import HTTPTypes
import Hummingbird
import NIOCore
import Runner
import Storage

/// Executions: submitted, listed, shown, waited for, canceled.
struct ExecutionRoutes {
    private static let longestWait = 60
    /// Bytes of a list's documents, and of what is read for them, about.
    private static let largestPage = 4 << 20

    let services: APIServices

    var routes: [Route] {
        [
            .post("/executions", .user(.executionsWrite), submit),
            .get("/executions", .user(.executionsRead), list),
            .get("/executions/{id}", .user(.executionsRead), show),
            .post("/executions/{id}/cancel", .user(.executionsWrite), cancel),
            .get("/executions/{id}/wait", .user(.executionsRead), wait),
            .get("/executions/{id}/receipt", .user(.executionsRead), receipt),
            .get("/executions/{id}/events", .user(.executionsRead), events),
        ]
    }

    private var executions: ExecutionService { services.executions }

    // MARK: Submitting

    @Sendable
    private func submit(_ call: Call) async throws -> Response {
        let caller = try call.caller
        let patience = try call.number("wait", 0...Self.longestWait) ?? 0
        let bytes = try await call.bodyBytes()
        let fields = try call.fields(
            bytes, "agentId", "input", "limits", "network", "env", "secrets", "labels", "webhookUrl")
        var submission = try submission(fields, caller, try idempotency(call, bytes))
        if let trace = call.context.trace { submission.take(trace) }
        let submitted = try await executions.submit(submission)
        let id = submitted.execution.id
        var headers = HTTPFields()
        headers[.location] = "/api/v1/executions/\(id)"
        if submitted.isReplayed { headers[.idempotencyReplayed] = "true" }
        guard patience > 0 else {
            return .json(
                bytes: try ExecutionDocument.submitted(submitted.execution).bytes, status: .created, headers: headers)
        }
        // It is admitted whatever comes of the wait: an error here would say that it is not.
        let execution = try? await call.untilClientLeaves {
            try await executions.wait(id, of: nil, atMost: .seconds(patience))
        }
        let document =
            try execution.map { try ExecutionDocument($0) } ?? ExecutionDocument.submitted(submitted.execution)
        return .json(bytes: document.bytes, status: .created, headers: headers)
    }

    private func submission(
        _ fields: JSONFields, _ caller: Caller, _ idempotency: Submission.Idempotency?
    ) throws -> Submission {
        let agent = fields.required("agentId") { fields.string($0, 1...100) }
        if !fields.has("input") { fields.fault("input", "is missing: any JSON value, such as {}") }
        let limits = fields.decoded("limits", as: LimitsRequest.self, known: JSONFields.limitNames)
        let hosts = fields.network()
        let environment = fields.dictionary("env", atMost: 64) ?? [:]
        let labels = fields.dictionary("labels", atMost: 16) ?? [:]
        let secrets = fields.dictionary("secrets", atMost: 64) ?? [:]
        let webhook = fields.string("webhookUrl", 1...2000).flatMap { text -> WebhookURL? in
            do {
                return try WebhookURL(text, allowsHTTP: services.allowsHTTPWebhooks)
            } catch {
                fields.fault("webhookUrl", "\(error)")
                return nil
            }
        }
        try fields.check()
        guard let agent, let input = fields.value("input") else { throw Problem.internalError }
        var submission = Submission(userID: caller.userID, agentID: agent, input: input)
        submission.limits = limits ?? LimitsRequest()
        submission.hosts = hosts
        submission.environment = environment
        submission.labels = labels
        submission.secrets = secrets.mapValues { Array($0.utf8) }
        submission.webhook = webhook
        submission.idempotency = idempotency
        return submission
    }

    private func idempotency(_ call: Call, _ bytes: [UInt8]) throws -> Submission.Idempotency? {
        guard let key = call.request.headers[.idempotencyKey] else { return nil }
        guard (1...255).contains(key.utf8.count), key.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Problem.badParameter("Idempotency-Key", "must be 1 to 255 characters of ASCII without spaces")
        }
        // White space and the order of keys do not make another request.
        let canonical = try JSONValue(parsing: bytes).serialized()
        return .init(key: key, fingerprint: Array(SHA256.hash(data: canonical)))
    }

    // MARK: Looking

    @Sendable
    private func list(_ call: Call) async throws -> Response {
        let caller = try call.caller
        var filter = ExecutionList.Filter()
        filter.userID = try call.query("userId")
        if let owner = caller.owner {
            // Of another user's there is nothing to see.
            guard filter.userID == nil || filter.userID == owner else { return Self.page([], nil) }
            filter.userID = owner
        }
        filter.agentID = try call.query("agentId")
        filter.states = try (call.query("status") ?? "").split(separator: ",").map { text in
            guard let state = ExecutionState(rawValue: String(text)) else {
                let known = ExecutionState.allCases.map(\.rawValue).joined(separator: ", ")
                throw Problem.badParameter("status", "'\(text.prefix(50))' is none of \(known)")
            }
            return state
        }
        for (name, value) in call.request.uri.queryParameters where name.hasPrefix("label.") {
            let label = String(name.dropFirst("label.".count)).removingPercentEncoding ?? ""
            guard !value.utf8.contains(0) else { throw Problem.badParameter("label", "must not hold U+0000") }
            guard Submission.isLabel(label), filter.labels.updateValue(String(value), forKey: label) == nil,
                filter.labels.count <= 16
            else {
                throw Problem.badParameter("label", "'\(label.prefix(64))' is no label's name, or is given twice")
            }
        }
        let cursor = try call.query("cursor")
        guard cursor.map({ ExecutionID($0) != nil }) ?? true else {
            throw Problem.badParameter("cursor", "is not one: give nextCursor of the page before")
        }
        let page = try await executions.list(
            filter, after: cursor, limit: try call.limit(), bytes: Self.largestPage)
        var documents: [[UInt8]] = []
        var size = 0
        for execution in page.executions {
            let document = try ExecutionDocument(execution).bytes
            size += document.count
            // A page has one at least; what finds no room is on the next one.
            if size > Self.largestPage, !documents.isEmpty {
                return Self.page(documents, page.executions[documents.count - 1].id)
            }
            documents.append(document)
        }
        return Self.page(documents, page.nextCursor)
    }

    private static func page(_ documents: [[UInt8]], _ nextCursor: String?) -> Response {
        var bytes = Array(#"{"executions":["#.utf8)
        for (index, document) in documents.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes += document
        }
        // A cursor is an id, which needs no escaping.
        bytes += Array(#"],"nextCursor":\#(nextCursor.map { "\"\($0)\"" } ?? "null")}"#.utf8)
        return .json(bytes: bytes)
    }

    @Sendable
    private func show(_ call: Call) async throws -> Response {
        let execution = try await executions.find(try call.parameter("id"), of: try call.caller.owner)
        return .json(bytes: try ExecutionDocument(execution).bytes)
    }

    @Sendable
    private func wait(_ call: Call) async throws -> Response {
        let (id, owner) = (try call.parameter("id"), try call.caller.owner)
        let limit = try call.number("timeout", 0...Self.longestWait) ?? 30
        let now = try await executions.find(id, of: owner)
        if now.state.isEnd || limit == 0 { return .json(bytes: try ExecutionDocument(now).bytes) }
        let execution = try await call.untilClientLeaves {
            try await executions.wait(id, of: owner, atMost: .seconds(limit))
        }
        return .json(bytes: try ExecutionDocument(execution).bytes)
    }

    @Sendable
    private func receipt(_ call: Call) async throws -> Response {
        let receipt = try await executions.receipt(of: try call.parameter("id"), ownedBy: try call.caller.owner)
        return .json(bytes: Array(receipt.utf8))
    }

    @Sendable
    private func events(_ call: Call) async throws -> Response {
        let execution = try await executions.find(try call.parameter("id"), of: try call.caller.owner)
        struct Event: Encodable {
            let status: String
            let time: String
        }
        var changes: [(ExecutionState, Date?)] = [
            (.queued, execution.createdAt), (.starting, execution.claimedAt), (.running, execution.startedAt),
            (.stopping, execution.stoppingAt),
        ]
        if execution.state.isEnd { changes.append((execution.state, execution.finishedAt)) }
        let events = changes.compactMap { state, time in
            time.map { Event(status: state.rawValue, time: $0.rfc3339) }
        }
        return try .json(["events": events])
    }

    // MARK: Ending

    @Sendable
    private func cancel(_ call: Call) async throws -> Response {
        let caller = try call.caller
        // Who may not see it is told no more of it than that, whatever the body is.
        _ = try await executions.find(try call.parameter("id"), of: caller.owner)
        let bytes = try await call.bodyBytes()
        var (grace, reason): (Double?, String?) = (nil, nil)
        if !bytes.isEmpty {
            let fields = try call.fields(bytes, "graceSeconds", "reason")
            grace = fields.number("graceSeconds", 0...3600)
            reason = fields.string("reason", 0...500)
            try fields.check()
        }
        let result = try await executions.cancel(
            try call.parameter("id"), of: caller.owner, by: caller.userID,
            grace: grace.map { .milliseconds(Int64($0 * 1000)) }, reason: reason)
        return .json(
            bytes: try ExecutionDocument(result.execution).bytes, status: result.hadEnded ? .ok : .accepted)
    }
}
