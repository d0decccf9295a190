import Foundation
import Glibc
import Testing

@testable import DockerAPI

@Suite("Errors", .timeLimit(.minutes(5)))
struct ErrorTests {
    /// The error of `call` against an Engine that answers so.
    private func failure<Value>(
        _ answer: StubEngine.Response, _ call: (DockerClient) async throws -> Value
    ) async throws -> DockerError {
        try await StubEngine.withClient(answering: { _ in answer }) { client, _ in
            try await #require(throws: DockerError.self) { try await call(client) }
        }
    }

    // MARK: What the Engine answers

    @Test("An error status carries the Engine's own message", arguments: [400, 401, 404, 409, 500, 503])
    func status(status: Int) async throws {
        let error = try await failure(.message(status, "No such container: x")) {
            try await $0.inspectContainer("x")
        }
        #expect(error.code == .status)
        #expect(error.status == status)
        #expect(error.message == "No such container: x")
        #expect(error.operation == "GET /containers/x/json")
        #expect(error.description == "GET /containers/x/json: No such container: x (\(status))")
        #expect(error.isNotFound == (status == 404))
        #expect(error.isConflict == (status == 409))
        #expect(!error.isEngineAway)
    }

    @Test("An error status is thrown by every kind of call", arguments: EndpointTests.all)
    func everyCall(endpoint: Endpoint) async throws {
        let error = try await failure(.message(500, "boom"), endpoint.call)
        #expect(error.code == .status)
        #expect(error.message == "boom")
        #expect(error.operation.hasPrefix(endpoint.method + " /"))
    }

    @Test(
        "An error whose body is not the Engine's JSON carries the body",
        arguments: [
            ("page not found\n", "page not found"), ("{\"oops\":1}", "{\"oops\":1}"), ("", "the Engine gave no reason"),
        ])
    func otherBody(body: String, expected: String) async throws {
        let error = try await failure(.whole(502, headers: ["Content-Type: text/plain"], body.bytes)) {
            try await $0.info()
        }
        #expect(error.status == 502)
        #expect(error.message.trimmingCharacters(in: .whitespacesAndNewlines) == expected)
    }

    @Test("A redirection is an error")
    func redirection() async throws {
        let answer = StubEngine.Response.whole(301, headers: ["Location: /v1.41/containers/json"])
        let error = try await failure(answer) { try await $0.inspectContainer("x") }
        #expect(error.status == 301)
    }

    @Test(
        "An answer that is not the JSON expected is an error",
        arguments: ["", "{", "null", "[]", "OK", "{\"Id\":7}", "{\"Warnings\":[]}"])
    func malformed(body: String) async throws {
        let error = try await failure(.json(body)) {
            try await $0.createContainer(name: "n", ContainerSpec(image: "x"))
        }
        #expect(error.code == .malformedResponse)
        #expect(error.operation == "POST /containers/create")
        #expect(error.status == nil)
    }

    @Test("Keys that the client does not know are let be")
    func unknownKeys() async throws {
        try await StubEngine.withClient(answering: { _ in .json(#"{"Id":"1","New":{"A":[1]},"Warnings":null}"#) }) {
            client, _ in
            let created = try await client.createContainer(name: "n", ContainerSpec(image: "x"))
            #expect(created.id == "1")
        }
    }

    // MARK: A connection that breaks

    private static let head = StubEngine.Response.head(200, ["Content-Length: 100"])
    private static let chunkedHead = StubEngine.Response.chunkedHead

    @Test(
        "A connection that breaks before the answer is whole is lost",
        arguments: [
            ("before the head", []), ("in the status line", ["HTTP/1.1 20".bytes]),
            ("in the head", ["HTTP/1.1 200 OK\r\nContent-Len".bytes]), ("between head and body", [head]),
            ("before the head's last byte", [Array(head.dropLast())]), ("in the body", [head, "{\"Id\":".bytes]),
            ("between two chunks", [chunkedHead, StubEngine.Response.chunk("{}".bytes)]),
            ("in a chunk's size", [chunkedHead, "1".bytes]), ("in a chunk", [chunkedHead, "10\r\n{".bytes]),
            ("before the last line end", [chunkedHead, StubEngine.Response.chunk("{}".bytes), "0\r\n".bytes]),
        ] as [(String, [[UInt8]])])
    func broken(place: String, pieces: [[UInt8]]) async throws {
        let error = try await failure(.raw(pieces)) { try await $0.info() }
        #expect(error.code == .connectionLost)
        #expect(error.operation == "GET /info")
        #expect(error.isEngineAway)
    }

    @Test(
        "Bytes that are not HTTP are an error",
        arguments: ["SSH-2.0-OpenSSH_9.2\r\n\r\n", "\u{0}\u{1}\u{2}\r\n\r\n"])
    func notHTTP(bytes: String) async throws {
        let error = try await failure(.raw([bytes.bytes])) { try await $0.info() }
        #expect([.connectionLost, .malformedResponse].contains(error.code))
        let attached = try await failure(.raw([bytes.bytes])) { try await $0.attach("x") }
        #expect([.connectionLost, .malformedResponse].contains(attached.code))
    }

    @Test(
        "A log stream that ends inside a frame has not ended",
        arguments: [Array(frame(.stdout, "ab".bytes).dropLast()), [1, 0, 0], [1]] as [[UInt8]])
    func truncatedFrame(rest: [UInt8]) async throws {
        let head = StubEngine.Response.head(200, ["Content-Type: application/vnd.docker.raw-stream"])
        let answer = StubEngine.Response.raw([head, frame(.stderr, "whole".bytes), rest])
        let error = try await failure(answer) { client in
            var first: LogFrame?
            for try await frame in try await client.attachOutput("x") { first = first ?? frame }
            Issue.record("ended after \(String(describing: first))")
        }
        #expect(error.code == .connectionLost)
    }

    @Test("A request that changes something is not sent twice when the connection breaks")
    func onlyOnce() async throws {
        try await StubEngine.withClient(answering: { _ in .raw([]) }) { client, stub in
            // The ping has left a connection to be used again; curl would send anew on a fresh one.
            await #expect(throws: DockerError.self) { try await client.startContainer("x") }
            #expect(stub.requests.count == 1)
        }
    }

    // MARK: Failures inside a progress stream

    @Test("A failure that a stream reports is thrown where it stands", arguments: ["pull", "build", "load"])
    func reported(call: String) async throws {
        let archive = StubEngine.temporaryPath() + ".tar"
        try Data("tar".utf8).write(to: URL(fileURLWithPath: archive))
        defer { try? FileManager.default.removeItem(atPath: archive) }
        let answer = StubEngine.Response.chunked([
            "{\"status\":\"one\",\"stream\":\"one\"}\r\n".bytes,
            "{\"errorDetail\":{\"code\":1,\"message\":\"the command returned 1\"},\"error\":\"other words\"}\r\n".bytes,
            "{\"status\":\"never seen\"}\r\n".bytes,
        ])
        try await StubEngine.withClient(answering: { _ in answer }) { client, _ in
            let stream =
                switch call {
                case "pull": try await client.pullImage("x", tag: "1")
                case "build": try await client.buildImage(archive: archive, tag: "x")
                default: try await client.loadImages(archive: archive)
                }
            var messages = stream.makeAsyncIterator()
            #expect(try await messages.next()?.status == "one")
            let error = try await #require(throws: DockerError.self) { try await messages.next() }
            #expect(error.code == .reported)
            #expect(error.message == "the command returned 1")
            #expect(error.status == nil)
        }
    }

    @Test("A failure without detail is thrown too")
    func reportedBriefly() async throws {
        let error = try await failure(.chunked(["{\"error\":\"no space left\"}\n".bytes])) {
            try await drain(try await $0.pullImage("x", tag: "1"))
        }
        #expect(error.code == .reported)
        #expect(error.message == "no space left")
    }

    @Test("An archive that cannot be read is named", arguments: ["/nowhere/x.tar", "/tmp"])
    func unreadableArchive(path: String) async throws {
        for call in ["build", "load"] {
            let error = try await failure(.noContent) { client in
                if call == "build" {
                    try await drain(try await client.buildImage(archive: path, tag: "x"))
                } else {
                    try await drain(try await client.loadImages(archive: path))
                }
            }
            #expect(error.code == .unreadableFile)
            #expect(error.message.contains(path))
        }
    }

    // MARK: Deadlines

    /// The same connections with other waits, so that the hand-shake is not hurried.
    private func hurried(_ client: DockerClient, _ change: (inout DockerClient.Configuration) -> Void) -> DockerClient {
        var configuration = client.configuration
        change(&configuration)
        return DockerClient(version: client.version, configuration: configuration, transport: client.transport)
    }

    @Test("A call that is answered too late times out, wherever the answer stops")
    func deadline() async throws {
        let stops: [[StubEngine.Response.Step]] = [
            [.hang], [.write(Array(Self.head.prefix(20))), .hang], [.write(Self.head), .write("{".bytes), .hang],
        ]
        for steps in stops {
            try await StubEngine.withClient(answering: { _ in .init(steps: steps) }) { client, _ in
                let client = hurried(client) {
                    $0.callDeadline = .milliseconds(50)
                    $0.workDeadline = .milliseconds(50)
                }
                let error = try await #require(throws: DockerError.self) { try await client.info() }
                #expect(error.code == .timedOut)
                #expect(error.isEngineAway)
                let work = try await #require(throws: DockerError.self) { try await client.startContainer("x") }
                #expect(work.code == .timedOut)
            }
        }
    }

    @Test("A stream's head has a deadline, hijacked or not")
    func headDeadline() async throws {
        try await StubEngine.withClient(answering: { _ in .silence }) { client, _ in
            let client = hurried(client) { $0.callDeadline = .milliseconds(50) }
            let events = try await #require(throws: DockerError.self) { _ = try await client.events() }
            #expect(events.code == .timedOut)
            let attached = try await #require(throws: DockerError.self) { _ = try await client.attach("x") }
            #expect(attached.code == .timedOut)
        }
    }

    @Test("A stream that has begun may be silent for longer than a call may last")
    func silentStream() async throws {
        let gate = Gate()
        let event = #"{"Type":"container","Action":"die","Actor":{"ID":"1"}}"#.bytes
        try await StubEngine.withClient { client, stub in
            stub.answer { $0.path.hasSuffix("/events") ? .chunked([event], gates: [gate]) : .silence }
            let client = hurried(client) { $0.callDeadline = .seconds(10) }
            let events = try await client.events()
            let error = try await #require(throws: DockerError.self) { try await client.info() }
            #expect(error.code == .timedOut)
            gate.open()
            #expect(try await drain(events).map(\.action) == ["die"])
        }
    }

    @Test("A progress stream that falls silent times out")
    func silentProgress() async throws {
        let line = "{\"status\":\"one\"}\n".bytes
        try await StubEngine.withClient(answering: { _ in .chunked([line], then: [.hang]) }) { client, _ in
            let client = hurried(client) { $0.progressIdleLimit = .milliseconds(200) }
            let error = try await #require(throws: DockerError.self) {
                try await drain(try await client.pullImage("x", tag: "1"))
            }
            #expect(error.code == .timedOut)
        }
    }
}
