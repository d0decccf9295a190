import Foundation
import Hummingbird
import Runner

/// What holds for everybody, and what has happened.
struct AdminRoutes {
    let services: APIServices

    var routes: [Route] {
        [
            .post("/admin/pause", .admin) { try await setPaused(true, $0) },
            .post("/admin/resume", .admin) { try await setPaused(false, $0) },
            .get("/admin/doctor", .admin, doctor),
            .get("/audit", .admin, audit),
        ]
    }

    @Sendable
    private func setPaused(_ isPaused: Bool, _ call: Call) async throws -> Response {
        let bytes = try await call.bodyBytes()
        var reason: String?
        if !bytes.isEmpty {
            let body = try call.fields(bytes, "reason")
            reason = body.string("reason", 1...500)
            try body.check()
        }
        try await services.accounts.setPaused(isPaused, by: try call.caller.userID, reason: reason)
        return try .json(["paused": isPaused])
    }

    @Sendable
    private func doctor(_ call: Call) async throws -> Response {
        try .json(Fence(host: try await services.doctor.checks(), lastRun: services.doctor.lastRun()))
    }

    /// What this node's fence stands on, and what held when somebody last tried to break it.
    private struct Fence: Encodable {
        let host: [HostCheck]
        @Nullable var lastRun: DoctorService.Record?
    }

    @Sendable
    private func audit(_ call: Call) async throws -> Response {
        let cursor = try call.query("cursor")
        guard let after = Int64(cursor ?? "0"), after >= 0 else {
            throw Problem.badParameter("cursor", "is not one: give nextCursor of the page before")
        }
        let page = try await services.accounts.audit(
            after: after, subject: try call.query("subject"), limit: try call.limit())
        return try .json(List(entries: page.entries.map { EntryDocument($0) }, nextCursor: page.nextCursor))
    }

    private struct List: Encodable {
        let entries: [EntryDocument]
        @Nullable var nextCursor: String?
    }

    private struct EntryDocument: Encodable {
        let sequence: Int64
        let time: String
        let actor: String
        let action: String
        let subject: String
        let details: JSONValue
        let previousHash: String
        let hash: String

        init(_ entry: AuditEntry) {
            sequence = entry.sequence
            time = entry.time
            actor = entry.actor
            action = entry.action
            subject = entry.subject
            details = entry.details
            previousHash = entry.previousHash
            hash = entry.hash
        }
    }
}
