import DatabaseFixtures
import Foundation
import Testing

@testable import API

@Suite("Logs over HTTP")
struct LogTests {
    /// One event of a stream.
    private struct Event {
        var id = ""
        var name = ""
        var data = ""

        var text: String {
            guard let object = try? JSONSerialization.jsonObject(with: Data(data.utf8)) as? [String: Any] else {
                return ""
            }
            if let text = object["text"] as? String { return text }
            let bytes = (object["data"] as? String).flatMap { Data(base64Encoded: $0) } ?? Data()
            return String(decoding: bytes, as: UTF8.self)
        }

        static func all(_ stream: String) -> [Event] {
            stream.components(separatedBy: "\n\n").compactMap { block in
                var event = Event()
                for line in block.split(separator: "\n") {
                    if line.hasPrefix("id: ") { event.id = String(line.dropFirst(4)) }
                    if line.hasPrefix("event: ") { event.name = String(line.dropFirst(7)) }
                    if line.hasPrefix("data: ") { event.data = String(line.dropFirst(6)) }
                }
                return event.name.isEmpty ? nil : event
            }
        }
    }

    private static let events = ["Accept": "text/event-stream"]

    @Test(
        "come live from the first byte to the end, and once from every cursor", .timeLimit(.minutes(5)),
        arguments: Backend.allCases)
    func follow(_ backend: Backend) async throws {
        try await ServerFixture.with(backend, runs: true) { server in
            let agent = try await server.agent()
            let id = try await server.submit(
                agent, "for i in 1 2 3 4 5 6; do echo out $i; echo err $i >&2; sleep 1; done", as: server.user)
            let path = "/executions/\(id)/logs"
            // Begun while it waits or runs.
            let stream = Event.all(try await server.get(path + "?follow=true", as: server.user, Self.events).text)
            let whole = try await server.get(path, as: server.user).text
            #expect(whole.contains("out 1\n") && whole.contains("err 6\n"))
            #expect(stream.filter { $0.name == "log" }.map(\.text).joined() == whole)
            #expect(stream.last?.name == "end")
            #expect(stream.last?.data.contains(#""status":"succeeded""#) == true)
            #expect(stream.contains { $0.name == "status" && $0.data.contains("running") })
            for event in stream where event.name == "log" {
                let offset = Int(event.id) ?? -1
                let rest = String(decoding: Array(whole.utf8).dropFirst(offset), as: UTF8.self)
                #expect(try await server.get("\(path)?cursor=\(offset)", as: server.user).text == rest)
                let resumed = try await server.get(
                    "\(path)?follow=true&cursor=0", as: server.user,
                    Self.events.merging(["Last-Event-ID": event.id]) { $1 })
                #expect(Event.all(resumed.text).filter { $0.name == "log" }.map(\.text).joined() == rest)
            }
            let out = try await server.get(path + "?stream=stdout", as: server.user).text
            #expect(out == (1...6).map { "out \($0)\n" }.joined())
            #expect(try await server.get(path + "?stream=stderr&tail=2", as: server.user).text == "err 5\nerr 6\n")
            #expect(try await server.get(path + "?tail=0", as: server.user).text == "")
            #expect(try await server.get(path + "?tail=1000", as: server.user).text == whole)
            #expect(try await server.get(path + "?cursor=x", as: server.user).status == 400)
            let lines = try await server.get(path, as: server.user, ["Accept": "application/x-ndjson"]).text
            let records = try lines.split(separator: "\n").map {
                try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any] ?? [:]
            }
            #expect(records.compactMap { $0["text"] as? String }.joined() == whole)
            #expect(try await server.get(path, as: server.other).status == 404)
        }
    }

    @Test("are read by a token of theirs, and nothing else is", .timeLimit(.minutes(5)))
    func token() async throws {
        try await ServerFixture.with(runs: true) { server in
            let agent = try await server.agent()
            let id = try await server.submit(agent, "echo hello", as: server.user)
            let second = try await server.submit(agent, "echo hello", as: server.user)
            _ = try await server.get("/executions/\(id)/wait?timeout=60", as: server.user)
            #expect(try await server.post("/executions/\(id)/log-token", nil, as: server.other).status == 404)
            let made = try await server.post("/executions/\(id)/log-token", nil, as: server.user)
            #expect(made.status == 201)
            let token = try made.json()["token"] as? String ?? ""
            #expect(try await server.get("/executions/\(id)/logs?token=\(token)", as: nil).text == "hello\n")
            #expect(try await server.get("/executions/\(second)/logs?token=\(token)", as: nil).status == 401)
            #expect(try await server.get("/executions/\(id)?token=\(token)", as: nil).status == 401)
            #expect(try await server.get("/executions/\(id)/logs?token=\(token)x", as: nil).status == 401)
            #expect(try await server.get("/executions", as: .init(id: "", key: token)).status == 401)
        }
    }

    @Test("keep bytes that are no text, and characters that were cut", .timeLimit(.minutes(5)))
    func bytes() async throws {
        try await ServerFixture.with(runs: true) { server in
            let agent = try await server.agent()
            let id = try await server.submit(
                agent, "head -c 1000 /dev/urandom; echo", as: server.user)
            _ = try await server.get("/executions/\(id)/wait?timeout=60", as: server.user)
            let whole = try await server.get("/executions/\(id)/logs", as: server.user).body
            #expect(whole.count == 1001)
            let stream = try await server.get("/executions/\(id)/logs", as: server.user, Self.events).text
            var bytes: [UInt8] = []
            for event in Event.all(stream) where event.name == "log" {
                let object = try JSONSerialization.jsonObject(with: Data(event.data.utf8)) as? [String: Any] ?? [:]
                bytes +=
                    (object["text"] as? String).map { Array($0.utf8) }
                    ?? Array(Data(base64Encoded: object["data"] as? String ?? "") ?? Data())
            }
            #expect(bytes == whole)
        }
    }

    @Test("reach many followers of many executions", .timeLimit(.minutes(5)))
    func many() async throws {
        try await ServerFixture.with(runs: true) { server in
            let agent = try await server.agent()
            var ids: [String] = []
            for _ in 0..<4 {
                ids.append(
                    try await server.submit(agent, "for i in 1 2 3 4 5; do echo $i; sleep 0.1; done", as: server.user))
            }
            let texts = try await withThrowingTaskGroup(of: String.self) { group in
                for index in 0..<80 {
                    let id = ids[index % ids.count]
                    group.addTask { try await server.get("/executions/\(id)/logs?follow=true", as: server.user).text }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(texts.count == 80)
            #expect(Set(texts) == ["1\n2\n3\n4\n5\n"])
        }
    }
}
