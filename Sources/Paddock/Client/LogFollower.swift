import Foundation
import NIOConcurrencyHelpers
import Runner
import WebClient

/// Reads an execution's log from a server, to its end or to what is there. A connection that breaks is made again, and
/// the log goes on behind the last event that was written: no byte comes twice or is left out.
final class LogFollower: Sendable {
    struct Selection: Sendable {
        var follows = false
        /// Only the last lines.
        var tail: Int?
        /// `stdout` or `stderr`; nil for both.
        var stream: String?
    }

    /// Without a byte from the server, which sends a comment every 15 seconds.
    private static let idleLimit: Duration = .seconds(45)
    /// Without a connection, once there was one.
    private static let patience: Duration = .seconds(600)
    private static let longestPause: Duration = .seconds(5)
    private static let problemLimit = 64 << 10

    private struct State {
        var parser = SSEParser()
        /// Of the last event that was written.
        var lastID: String?
        var head = WebHead()
        /// Of an answer that is no log.
        var problem: [UInt8] = []
        var hasProgressed = false
        var end: JSONValue?
    }

    private let server: Server
    private let id: String
    private let selection: Selection
    private let status: StatusLine
    private let write: @Sendable (_ bytes: [UInt8], _ stream: String) throws -> Void
    private let state = NIOLockedValueBox(State())

    /// - Parameter write: called on one thread after the other, with each piece once.
    init(
        _ server: Server, _ id: String, _ selection: Selection, status: StatusLine,
        write: @escaping @Sendable (_ bytes: [UInt8], _ stream: String) throws -> Void
    ) {
        self.server = server
        self.id = id
        self.selection = selection
        self.status = status
        self.write = write
    }

    /// - Returns: the finished execution, of a log that was followed to its end.
    /// - Throws: ``Failure``, ``ServerRefusal``, what `write` throws.
    func run() async throws -> JSONValue? {
        var pause: Duration = .milliseconds(100)
        var lostAt: ContinuousClock.Instant?
        while true {
            let failure: any Error
            do {
                try await read()
                let (end, hasProgressed) = state.withLockedValue { ($0.end, $0.hasProgressed) }
                if end != nil || !selection.follows { return end }
                failure = Failure("\(server.base) ended the log before the execution had ended")
                if hasProgressed { (lostAt, pause) = (nil, .milliseconds(100)) }
            } catch let error as WebError {
                let hasProgressed = state.withLockedValue { $0.hasProgressed }
                let isOfTheMoment = [.unreachable, .broken, .timedOut].contains(error.code)
                // What has never worked is an error of the caller's, most likely.
                guard isOfTheMoment, hasProgressed || lostAt != nil else { throw server.failure(error) }
                if hasProgressed { (lostAt, pause) = (nil, .milliseconds(100)) }
                failure = server.failure(error)
            } catch let refusal as ServerRefusal {
                guard refusal.isOfTheMoment || refusal.code == "rate_limited", lostAt != nil else { throw refusal }
                pause = max(pause, refusal.retryAfter ?? .zero)
                failure = refusal
            }
            if lostAt == nil {
                status.clear()
                Console.error("the connection was lost; going on as soon as \(server.base) is there again")
            }
            let begin = lostAt ?? .now
            lostAt = begin
            guard begin.duration(to: .now) < Self.patience else { throw failure }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, Self.longestPause)
        }
    }

    /// One connection.
    private func read() async throws {
        let lastID = state.withLockedValue { state in
            state.parser = SSEParser()
            state.problem = []
            state.hasProgressed = false
            return state.lastID
        }
        var request = try server.request(
            "GET", "/executions/\(id.escaped)/logs",
            query: [
                ("follow", selection.follows ? "true" : nil), ("stream", selection.stream),
                ("tail", lastID == nil ? selection.tail.map { "\($0)" } : nil),
            ])
        request.headers.removeAll { $0.name == "Accept" }
        request.headers.append(("Accept", "text/event-stream"))
        if let lastID { request.headers.append(("Last-Event-ID", lastID)) }
        request.totalLimit = nil
        request.idleLimit = Self.idleLimit
        let head = try await WebClient.stream(request) { head in
            self.state.withLockedValue { state in
                state.head = head
                state.hasProgressed = head.status == 200
            }
        } onBody: { bytes in
            try self.take(bytes)
        }
        guard head.status == 200 else {
            throw server.refusal(head, state.withLockedValue { $0.problem })
        }
    }

    private func take(_ bytes: UnsafeRawBufferPointer) throws {
        guard state.withLockedValue({ $0.head.status == 200 }) else {
            return state.withLockedValue { state in
                state.problem += bytes.prefix(Self.problemLimit - state.problem.count)
            }
        }
        var parser = state.withLockedValue { $0.parser }
        try parser.feed(bytes) { try handle($0) }
        state.withLockedValue { $0.parser = parser }
    }

    private func handle(_ event: SSEParser.Event) throws {
        let data = try? JSONValue(parsing: Array(event.data.utf8))
        switch event.name {
        case "log":
            guard let data, let stream = data["stream"]?.text, let bytes = Self.bytes(of: data) else {
                throw Failure("the server's log has a record that cannot be read: is this paddock too old?")
            }
            status.clear()
            try write(bytes, stream)
        case "truncated", "gap":
            status.clear()
            let count = data?["droppedBytes"]?.number ?? data?["missingBytes"]?.number
            Console.error("\(count.map { $0.short } ?? "some") bytes of the log were left out")
        case "status":
            if let name = data?["status"]?.text, let new = Execution.Status(rawValue: name) { status.show(new) }
        case "end": state.withLockedValue { $0.end = data ?? .null }
        default: break
        }
        if let id = event.id { state.withLockedValue { $0.lastID = id } }
    }

    private static func bytes(of record: JSONValue) -> [UInt8]? {
        if let text = record["text"]?.text { return Array(text.utf8) }
        guard record["encoding"]?.text == "base64", let data = record["data"]?.text else { return nil }
        return Data(base64Encoded: data).map { [UInt8]($0) }
    }
}
