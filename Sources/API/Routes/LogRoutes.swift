import Foundation
import HTTPTypes
import Hummingbird
import NIOConcurrencyHelpers
import NIOCore
import Runner
import ServiceLifecycle
import Storage

/// Logs, read and followed.
struct LogRoutes {
    private static let longestTail = 100_000

    let services: APIServices
    let streams: LogStreams

    var routes: [Route] {
        [
            .get("/executions/{id}/logs", .log, read),
            .post("/executions/{id}/log-token", .user(.executionsRead), makeToken),
        ]
    }

    @Sendable
    private func makeToken(_ call: Call) async throws -> Response {
        let caller = try call.caller
        let execution = try await services.executions.find(try call.parameter("id"), of: caller.owner)
        let made = try await services.logTokens.make(for: execution.id, userID: caller.userID)
        return try .json(["token": made.token, "expiresAt": made.expiresAt.rfc3339], status: .created)
    }

    @Sendable
    private func read(_ call: Call) async throws -> Response {
        let caller = try call.caller
        let name = try call.parameter("id")
        let owner = caller.onlyLogOf == name ? nil : caller.owner
        let execution = try await services.executions.find(name, of: owner)
        guard let id = ExecutionID(execution.id) else { throw Problem.notFound("execution \(name)") }
        let inbox = LogInbox()
        let place = try streams.enter(
            caller.userID, caller.hasKey ? call.request.headers[.authorization] : nil, inbox)
        let stream = try Self.stream(call)
        let log = services.executions.log(of: id)
        var selection = ExecutionLog.Selection()
        selection.follows = try call.flag("follow")
        selection.known = execution.state
        selection.offset = try await Self.begin(call, log, stream)
        let format = Self.format(call)
        let status = execution.state.rawValue
        let transcript = LogTranscript(id: id.description, format: format, stream: stream, selection: selection)
        let context = call.context
        let body = ResponseBody { writer in
            context.onClose { inbox.leave() }
            let isStopping = NIOLockedValueBox(false)
            do {
                try await withGracefulShutdownHandler {
                    try await transcript.write(log, inbox, status: status, to: BodySink(writer))
                } onGracefulShutdown: {
                    isStopping.withLockedValue { $0 = true }
                    inbox.leave()
                }
            } catch is CancellationError where format.tellsItsEnd && isStopping.withLockedValue({ $0 }) {
                // A server that stops ends the stream, to be resumed elsewhere. Text is broken off: it would look whole.
            }
            try await writer.finish(nil)
            withExtendedLifetime(place) {}
        }
        return Response(
            status: .ok,
            headers: [
                .contentType: format.contentType, .cacheControl: "no-store", .accelBuffering: "no",
                // Nothing more is read from the connection, and it ends when the client's side of it does.
                .connection: "close",
            ], body: body)
    }

    private static func stream(_ call: Call) throws -> LogSource? {
        switch try call.query("stream") {
        case nil: nil
        case "stdout": .stdout
        case "stderr": .stderr
        default: throw Problem.badParameter("stream", "must be stdout or stderr")
        }
    }

    /// What the client has last seen goes before where it asked to begin.
    private static func begin(_ call: Call, _ log: ExecutionLog, _ stream: LogSource?) async throws -> Int64 {
        let tail = try call.number("tail", 0...longestTail)
        if let last = call.request.headers[.lastEventID], !last.isEmpty { return try cursor(last, "Last-Event-ID") }
        if let cursor = try call.query("cursor") { return try self.cursor(cursor, "cursor") }
        guard let tail else { return 0 }
        return try await log.offset(ofLast: tail, in: stream)
    }

    private static func cursor(_ text: String, _ name: String) throws -> Int64 {
        guard let offset = Int64(text), offset >= 0, offset < 1 << 60 else {
            throw Problem.badParameter(name, "is no cursor: give the id of an event, or the cursor of a line")
        }
        return offset
    }

    private static func format(_ call: Call) -> any LogFormat {
        let accepted = (call.request.headers[.accept] ?? "").lowercased()
        if accepted.contains("text/event-stream") { return EventLogFormat() }
        if accepted.contains("application/x-ndjson") { return NDJSONLogFormat() }
        return TextLogFormat()
    }
}
