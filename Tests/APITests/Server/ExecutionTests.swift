import DatabaseFixtures
import Foundation
import Testing

@testable import API

@Suite("Executions over HTTP")
struct ExecutionTests {
    @Test(
        "run to their end, and everything about them can be had", .timeLimit(.minutes(5)), arguments: Backend.allCases)
    func whole(_ backend: Backend) async throws {
        try await ServerFixture.with(backend, runs: true) { server in
            let agent = try await server.agent()
            let answer = try await server.post(
                "/executions?wait=60",
                #"{"agentId":"\#(agent)","input":"echo [7] > $OUTPUT; echo $COLOUR","env":{"COLOUR":"blue"},"#
                    + #""secrets":{"token":"s3cret"},"labels":{"team":"blue"},"limits":{"memoryMiB":64}}"#,
                as: server.user)
            #expect(answer.status == 201)
            let execution = try answer.json()
            #expect(execution["status"] as? String == "succeeded", "\(answer.text)")
            #expect(execution["output"] as? [Int] == [7])
            #expect((execution["labels"] as? [String: String]) == ["team": "blue"])
            #expect((execution["limits"] as? [String: Any])?["memoryMiB"] as? Int == 64)
            let id = answer.id
            #expect(answer.headers["location"] == "/api/v1/executions/\(id)")
            #expect((execution["links"] as? [String: String])?["self"] == "/api/v1/executions/\(id)")
            #expect(!answer.text.contains("s3cret"))

            #expect(try await server.get("/executions/\(id)", as: server.user).body == answer.body)
            #expect(try await server.get("/executions/\(id)/wait", as: server.user).body == answer.body)
            #expect(try await server.get("/executions/\(id)/logs", as: server.user).text == "blue\n")
            let events = try await server.get("/executions/\(id)/events", as: server.user).json()["events"]
            let states = (events as? [[String: String]])?.compactMap { $0["status"] }
            #expect(states == ["queued", "starting", "running", "succeeded"])
            var receipt = try await server.get("/executions/\(id)/receipt", as: server.user)
            // Until it is signed, the answer is to ask again.
            try await eventually {
                receipt = try await server.get("/executions/\(id)/receipt", as: server.user)
                return receipt.status == 200
            }
            #expect((try receipt.json()["receipt"] as? [String: Any])?["id"] as? String == id)
            let again = try await server.post("/executions/\(id)/cancel", nil, as: server.user)
            #expect(again.status == 200)
            #expect(again.body == answer.body)
            let stats = try await server.get("/agents/\(agent)/stats", as: server.user).json()
            #expect(stats["executions"] as? Int == 1)
        }
    }

    @Test("see their secrets as files", .timeLimit(.minutes(5)))
    func secrets() async throws {
        try await ServerFixture.with(runs: true) { server in
            let agent = try await server.agent()
            let answer = try await server.post(
                "/executions?wait=60",
                #"{"agentId":"\#(agent)","input":"wc -c < /run/paddock/secrets/token","secrets":{"token":"12345"}}"#,
                as: server.user)
            #expect(answer.status == 201, "\(answer.text)")
            #expect(try await server.get("/executions/\(answer.id)/logs", as: server.user).text == "5\n")
        }
    }

    @Test("end when they are canceled, by their owner and nobody else", .timeLimit(.minutes(5)))
    func cancel() async throws {
        try await ServerFixture.with(runs: true) { server in
            let agent = try await server.agent()
            let id = try await server.submit(agent, "sleep 600", as: server.user)
            try await eventually {
                try await server.get("/executions/\(id)", as: server.user).json()["status"] as? String == "running"
            }
            #expect(try await server.post("/executions/\(id)/cancel", nil, as: server.other).status == 404)
            let asked = try await server.post(
                "/executions/\(id)/cancel", #"{"graceSeconds":0,"reason":"enough"}"#, as: server.user)
            #expect(asked.status == 202, "\(asked.text)")
            let ended = try await server.get("/executions/\(id)/wait?timeout=60", as: server.user).json()
            #expect(ended["status"] as? String == "canceled")
            #expect((ended["message"] as? String)?.contains("enough") == true)
        }
    }

    @Test("are made once for one Idempotency-Key", .timeLimit(.minutes(5)), arguments: Backend.allCases)
    func idempotency(_ backend: Backend) async throws {
        try await ServerFixture.with(backend) { server in
            let agent = try await server.agent()
            let body = #"{"agentId":"\#(agent)","input":"true"}"#
            let key = ["Idempotency-Key": "one"]
            let answers = try await withThrowingTaskGroup(of: HTTPWire.Answer.self) { group in
                for _ in 0..<8 { group.addTask { try await server.post("/executions", body, as: server.user, key) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            let made = answers.filter { $0.status == 201 }
            #expect(!made.isEmpty)
            #expect(Set(made.map(\.id)).count == 1)
            #expect(answers.allSatisfy { $0.status == 201 || $0.code == "idempotency_in_flight" })
            let replay = try await server.post("/executions", " " + body, as: server.user, key)
            #expect(replay.headers["idempotency-replayed"] == "true")
            #expect(replay.body == made.first?.body)
            let other = try await server.post(
                "/executions", #"{"agentId":"\#(agent)","input":"false"}"#, as: server.user, key)
            #expect(other.status == 422)
            #expect(other.code == "idempotency_mismatch")
            // Another user's key is another key.
            let stranger = try await server.post("/executions", body, as: server.other, key)
            #expect(stranger.status == 201)
            #expect(stranger.id != replay.id)
        }
    }

    @Test("are listed once each, while others come", .timeLimit(.minutes(5)), arguments: Backend.allCases)
    func list(_ backend: Backend) async throws {
        try await ServerFixture.with(backend) { server in
            let agent = try await server.agent()
            var ids: [String] = []
            for number in 0..<7 {
                let answer = try await server.post(
                    "/executions",
                    #"{"agentId":"\#(agent)","input":"true","labels":{"odd":"\#(number % 2)","all":"yes"}}"#,
                    as: server.user)
                ids.append(answer.id)
            }
            var (seen, cursor): ([String], String?) = ([], nil)
            repeat {
                let page = try await server.get(
                    "/executions?limit=2" + (cursor.map { "&cursor=\($0)" } ?? ""), as: server.user
                ).json()
                seen += (page["executions"] as? [[String: Any]] ?? []).compactMap { $0["id"] as? String }
                cursor = page["nextCursor"] as? String
                _ = try await server.submit(agent, "true", as: server.user)
            } while cursor != nil
            #expect(seen == ids.reversed())
            func count(_ query: String, _ person: ServerFixture.Person) async throws -> Int {
                let page = try await server.get("/executions?limit=100&\(query)", as: person).json()
                return (page["executions"] as? [Any])?.count ?? -1
            }
            #expect(try await count("label.odd=1", server.user) == 3)
            #expect(try await count("label.odd=1&label.all=yes&status=queued", server.user) == 3)
            #expect(try await count("label.odd=1&label.all=no", server.user) == 0)
            #expect(try await count("status=running,succeeded", server.user) == 0)
            #expect(try await count("agentId=\(agent)", server.other) == 0)
            #expect(try await count("userId=\(server.user.id)", server.other) == 0)
            #expect(try await count("userId=\(server.user.id)&label.all=yes", server.admin) == 7)
        }
    }

    @Test(
        "are listed in pages that end where there is much of them", .timeLimit(.minutes(5)), arguments: Backend.allCases
    )
    func largePages(_ backend: Backend) async throws {
        try await ServerFixture.with(backend) { server in
            let agent = try await server.agent()
            var ids: [String] = []
            let comment = String(repeating: "x", count: 900_000)
            for _ in 0..<7 { ids.append(try await server.submit(agent, "true # \(comment)", as: server.user)) }
            var (pages, cursor): ([[String]], String?) = ([], nil)
            repeat {
                let page = try await server.get(
                    "/executions" + (cursor.map { "?cursor=\($0)" } ?? ""), as: server.user
                ).json()
                pages.append((page["executions"] as? [[String: Any]] ?? []).compactMap { $0["id"] as? String })
                cursor = page["nextCursor"] as? String
            } while cursor != nil
            #expect(pages.flatMap { $0 } == ids.reversed())
            #expect(pages.map(\.count) == [5, 2])
        }
    }

    @Test("are refused with every place that is wrong", .timeLimit(.minutes(5)))
    func refused() async throws {
        try await ServerFixture.with { server in
            let agent = try await server.agent(#","inputSchema":{"type":"object","required":["n"]}"#)
            let input = try await server.post("/executions", #"{"agentId":"\#(agent)","input":{}}"#, as: server.user)
            #expect(input.status == 422)
            #expect(input.code == "input_invalid")
            let wrong = try await server.post(
                "/executions",
                #"{"agentId":"\#(agent)","input":{"n":1},"env":{"1A":"x","PADDOCK_X":"y"},"labels":{"a b":"c"},"#
                    + #""network":{"mode":"allowlist","allow":["http://x"]},"secrets":{"..":"x"}}"#, as: server.user)
            #expect(wrong.code == "validation_failed")
            let paths = (try wrong.json()["errors"] as? [[String: String]] ?? []).compactMap { $0["path"] }
            #expect(Set(paths) == ["/env", "/env/PADDOCK_X", "/labels", "/network/allow/0", "/secrets"])
            let above = try await server.post(
                "/executions", #"{"agentId":"\#(agent)","input":{"n":1},"limits":{"memoryMiB":100000}}"#,
                as: server.user)
            #expect(above.status == 422)
            #expect(above.code == "limit_above_maximum")
            #expect(try above.json()["rule"] as? String == "limits")
            let paused = try await server.post("/admin/pause", nil, as: server.admin)
            #expect(paused.text == #"{"paused":true}"#)
            let body = #"{"agentId":"\#(agent)","input":{"n":1}}"#
            let denied = try await server.post("/executions", body, as: server.user)
            #expect(denied.status == 503)
            #expect(denied.code == "paused")
            // Whoever is denied anyway is told that, and not what is wrong with the input.
            let bad = #"{"agentId":"\#(agent)","input":{}}"#
            #expect(try await server.post("/executions", bad, as: server.user).code == "paused")
            _ = try await server.post("/admin/resume", nil, as: server.admin)
            #expect(try await server.post("/executions", bad, as: server.user).code == "input_invalid")
            #expect(try await server.post("/executions", body, as: server.user).status == 201)
        }
    }

    @Test("are denied by the quota with a time at which it resets", .timeLimit(.minutes(5)))
    func quota() async throws {
        try await ServerFixture.with { server in
            let agent = try await server.agent()
            let change = try await server.wire.send(
                "PUT", "/api/v1/users/\(server.user.id)/access", headers: server.admin.headers,
                body: #"{"executionsPerDay":1,"tier":2}"#)
            #expect(change.status == 200, "\(change.text)")
            _ = try await server.submit(agent, "true", as: server.user)
            let denied = try await server.post(
                "/executions", #"{"agentId":"\#(agent)","input":"true"}"#, as: server.user)
            #expect(denied.status == 429)
            #expect(denied.code == "quota_exceeded")
            let problem = try denied.json()
            #expect(problem["limit"] as? Int == 1)
            #expect(problem["used"] as? Int == 1)
            let access = try await server.get("/users/me/access", as: server.user).json()
            let quota = access["quota"] as? [String: Any]
            #expect(quota?["remaining"] as? Int == 0)
            #expect(quota?["resetAt"] as? String == problem["resetAt"] as? String)
            #expect(Int(denied.headers["retry-after"] ?? "") ?? 0 > 0)
        }
    }
}
