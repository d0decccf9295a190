import DatabaseFixtures
import Entitlements
import Foundation
import Runner
import Storage
import Testing

@testable import API

@Suite("The server's limits")
struct LimitTests {
    @Test("hold for bodies, and every refusal is a problem document", .timeLimit(.minutes(5)))
    func refusals() async throws {
        try await ServerFixture.with(configure: { $0.maxBodyBytes = 10_000 }) { server in
            let large = try await server.post("/executions", String(repeating: " ", count: 20_000), as: server.user)
            #expect(large.status == 413)
            #expect(large.code == "too_large")
            let cases: [(HTTPWire.Answer, Int, String)] = [
                (try await server.post("/executions", "{", as: server.user), 400, "malformed_json"),
                (try await server.post("/executions", "[]", as: server.user), 400, "malformed_json"),
                (try await server.post("/executions", "", as: server.user), 400, "malformed_json"),
                (try await server.post("/executions", #"{"a":1,"a":2}"#, as: server.user), 400, "malformed_json"),
                (try await server.post("/executions", #"{"agentId":1}"#, as: server.user), 422, "validation_failed"),
                (try await server.post("/executions", "{}", as: nil), 401, "unauthenticated"),
                (
                    try await server.post("/executions", #"{"agentId":"agt_none","input":1}"#, as: server.user), 404,
                    "not_found"
                ),
                (try await server.get("/executions?cursor=x", as: server.user), 400, "validation_failed"),
                (try await server.get("/executions?limit=101", as: server.user), 400, "validation_failed"),
                (
                    try await server.get("/agents?cursor=\(String(repeating: "x", count: 600))", as: server.user), 400,
                    "validation_failed"
                ),
                (try await server.get("/executions?status=odd", as: server.user), 400, "validation_failed"),
                (try await server.get("/executions/exe_none", as: server.user), 404, "not_found"),
                (try await server.get("/nothing", as: server.user), 404, "not_found"),
                (try await server.wire.send("PATCH", "/api/v1/executions"), 405, "method_not_allowed"),
                (
                    try await server.wire.send("GET", "/api/v1/executions", headers: ["Authorization": "Basic x"]), 401,
                    "unauthenticated"
                ),
            ]
            for (answer, status, code) in cases {
                #expect(answer.status == status, "\(answer.text)")
                #expect(answer.code == code, "\(answer.text)")
                #expect(answer.headers["content-type"] == "application/problem+json")
                #expect(answer.headers["x-request-id"] != nil)
            }
        }
    }

    @Test("end connections that keep it waiting, and what is no HTTP", .timeLimit(.minutes(5)))
    func slow() async throws {
        try await ServerFixture.with(configure: {
            $0.headTimeout = .seconds(3)
            $0.bodyTimeout = .seconds(3)
        }) { server in
            #expect(try await server.wire.exchange(Array("GET /health HT".utf8)).isEmpty)
            let body =
                "POST /api/v1/executions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(server.user.key)\r\n"
                + "Content-Length: 100\r\n\r\n{"
            #expect(try HTTPWire.parse(try await server.wire.exchange(Array(body.utf8))).status == 408)
            let noise = try HTTPWire.parse(try await server.wire.exchange(Array("\u{1}\u{2}\r\n\r\n".utf8)))
            #expect(noise.status == 400)
            #expect(noise.code == "malformed_request")
            #expect(noise.headers["x-request-id"] != nil)
            let head = "GET /health HTTP/1.1\r\nX-A: \(String(repeating: "a", count: 40_000))\r\n\r\n"
            #expect(try HTTPWire.parse(try await server.wire.exchange(Array(head.utf8))).status == 431)
        }
    }

    @Test("count requests by user and by address, and say what is left", .timeLimit(.minutes(5)))
    func requests() async throws {
        try await ServerFixture.with(configure: { $0.requestLimit = 5 }) { server in
            for left in (0..<5).reversed() {
                let answer = try await server.get("/users/me", as: server.user)
                #expect(answer.status == 200)
                #expect(answer.headers["ratelimit-policy"] == #""requests";q=5;w=900"#)
                #expect(answer.headers["ratelimit"]?.contains("r=\(left);") == true, "\(answer.headers)")
            }
            let refused = try await server.get("/users/me", as: server.user)
            #expect(refused.status == 429)
            #expect(refused.code == "rate_limited")
            #expect(Int(refused.headers["retry-after"] ?? "") ?? 0 > 0)
            // Somebody else's, a key's own, and those of nobody are counted apart.
            #expect(try await server.get("/users/me", as: server.other).status == 200)
            let unlimited = try await server.services.accounts.createKey(
                for: server.user.id, name: "own", requestLimit: 0, expiresAt: nil, by: "test")
            let own = ServerFixture.Person(id: server.user.id, key: unlimited.text)
            for _ in 0..<10 { #expect(try await server.get("/users/me", as: own).status == 200) }
            for _ in 0..<5 { #expect(try await server.get("/users/me", as: nil).status == 401) }
            #expect(try await server.get("/users/me", as: nil).status == 429)
            #expect(try await server.wire.send("GET", "/health").status == 200)
            // Its address has guessed enough: a key that was not good before is not looked at, and those that were go on.
            let late = try await server.services.accounts.createKey(
                for: server.user.id, name: "late", requestLimit: 0, expiresAt: nil, by: "test")
            let guessed = ServerFixture.Person(id: server.user.id, key: late.text)
            #expect(try await server.get("/users/me", as: guessed).status == 429)
            #expect(try await server.get("/users/me", as: own).status == 200)
        }
    }

    @Test("echo sane request ids, and make others", .timeLimit(.minutes(5)))
    func requestIDs() async throws {
        try await ServerFixture.with { server in
            let kept = try await server.wire.send("GET", "/health", headers: ["X-Request-ID": "trace-7/a"])
            #expect(kept.headers["x-request-id"] == "trace-7/a")
            let made = try await server.wire.send("GET", "/health", headers: ["X-Request-ID": "a b\"c"])
            #expect(made.headers["x-request-id"]?.hasPrefix("req_") == true)
            #expect(made.headers["access-control-allow-origin"] == nil)
        }
    }

    @Test("let other origins in only when they are named", .timeLimit(.minutes(5)))
    func origins() async throws {
        try await ServerFixture.with(configure: { $0.corsOrigins = ["https://app.example.com"] }) { server in
            let preflight = try await server.wire.send(
                "OPTIONS", "/api/v1/executions",
                headers: ["Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"])
            #expect(preflight.status == 204)
            #expect(preflight.headers["access-control-allow-origin"] == "https://app.example.com")
            let other = try await server.wire.send("GET", "/health", headers: ["Origin": "https://evil.example.com"])
            #expect(other.headers["access-control-allow-origin"] == nil)
        }
    }

    @Test("are refused where others could read along")
    func addresses() throws {
        var configuration = ServerConfiguration()
        #expect(throws: Never.self) { try configuration.validate() }
        configuration.host = "0.0.0.0"
        #expect(throws: ServerConfiguration.Refused.self) { try configuration.validate() }
        configuration.host = "127.evil.example.com"
        #expect(throws: ServerConfiguration.Refused.self) { try configuration.validate() }
        configuration.allowsInsecureHTTP = true
        #expect(throws: Never.self) { try configuration.validate() }
    }

    @Test("of the database: while it is away, 503 and a readiness that says so", .timeLimit(.minutes(3)))
    func databaseAway() async throws {
        try await PrivateCluster.with { cluster in
            let location = try DatabaseLocation(url: cluster.url(), stateFolder: "/")
            var database = Database.Configuration()
            database.acquireTimeout = .seconds(5)
            try await ServerFixture.with(location, databaseConfiguration: database) { server in
                #expect(try await server.get("/executions", as: server.user).status == 200)
                try await cluster.send("stop")
                let away = try await server.get("/executions", as: server.user)
                #expect(away.status == 503)
                #expect(away.code == "database_unavailable")
                let ready = try await server.wire.send("GET", "/ready")
                #expect(ready.status == 503)
                #expect(ready.text.contains(#""database":{"message""#), "\(ready.text)")
                #expect(try await server.wire.send("GET", "/health").status == 200)
                try await cluster.send("start")
                try await eventually { try await server.get("/executions", as: server.user).status == 200 }
            }
        }
    }
}
