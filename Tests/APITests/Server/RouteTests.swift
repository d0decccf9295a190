import DatabaseFixtures
import Foundation
import HTTPTypes
import Testing

@testable import API

@Suite("Routes")
struct RouteTests {
    /// Every route of the API, and who may call it. A new route is added here on purpose.
    private static let expected = """
        DELETE /agents/{id} developer(agents:write)
        DELETE /entitlements/{userId}/{agentId} admin
        DELETE /keys/{id} user(account)
        GET /admin/doctor admin
        GET /agents user(agents:read)
        GET /agents/{id} user(agents:read)
        GET /agents/{id}/stats user(agents:read)
        GET /audit admin
        GET /entitlements admin
        GET /executions user(executions:read)
        GET /executions/{id} user(executions:read)
        GET /executions/{id}/events user(executions:read)
        GET /executions/{id}/logs log
        GET /executions/{id}/receipt user(executions:read)
        GET /executions/{id}/wait user(executions:read)
        GET /keys user(account)
        GET /users admin
        GET /users/me user(account)
        GET /users/me/access user(account)
        GET /users/me/entitlements user(account)
        GET /users/{id}/access admin
        GET /webhooks/deliveries admin
        POST /admin/pause admin
        POST /admin/resume admin
        POST /agents admin
        POST /executions user(executions:write)
        POST /executions/{id}/cancel user(executions:write)
        POST /executions/{id}/log-token user(executions:read)
        POST /keys user(account)
        POST /webhooks/rotate-key admin
        PUT /agents/{id} developer(agents:write)
        PUT /entitlements/{userId}/{agentId} admin
        PUT /users/me user(account)
        PUT /users/{id}/access admin
        """

    private func words(_ access: RouteAccess) -> String {
        switch access {
        case .open: "open"
        case .user(let scope): "user(\(scope.rawValue))"
        case .log: "log"
        case .developer(let scope): "developer(\(scope.rawValue))"
        case .admin: "admin"
        }
    }

    @Test("are these, each with who may call it", .timeLimit(.minutes(5)))
    func list() async throws {
        try await ServerFixture.with { server in
            let routes = RouteTable(services: server.services).routes
            let ours = routes.filter { $0.place == .api }.map { "\($0.method) \($0.template) \(words($0.access))" }
            #expect(ours.sorted().joined(separator: "\n") == Self.expected)
            let open = routes.filter { $0.place == .root }
            #expect(open.allSatisfy { $0.access == .open && $0.method == .get })
            for path in ["/", "/docs", "/health", "/metrics", "/openapi.yaml", "/ready"] {
                #expect(open.contains { $0.template == path }, "\(path)")
            }
        }
    }

    @Test("let through whom they should, under both prefixes", .timeLimit(.minutes(5)))
    func walk() async throws {
        try await ServerFixture.with { server in
            let agent = try await server.agent()
            let execution = try await server.submit(agent, "true", as: server.user)
            let people: [(String, ServerFixture.Person?)] = [
                ("nobody", nil), ("user", server.user), ("other", server.other), ("developer", server.developer),
                ("admin", server.admin),
            ]
            for route in RouteTable(services: server.services).routes where route.place == .api {
                // What is called leaves everything as it is: bodies are refused, ids of agents are nobody's.
                let isExecution = route.template.hasPrefix("/executions/{id}")
                let path = route.template.replacing("{id}", with: isExecution ? execution : "agt_none")
                    .replacing("{userId}", with: "usr_none").replacing("{agentId}", with: "agt_none")
                let query = route.template.hasSuffix("/wait") ? "?timeout=0" : ""
                for (name, person) in people {
                    if route.template.hasSuffix("/cancel"), name == "user" || name == "admin" { continue }
                    if route.template.hasPrefix("/admin"), name == "admin" { continue }
                    for prefix in ["/api/v1", "/api"] {
                        let answer = try await server.wire.send(
                            route.method.rawValue, prefix + path + query, headers: person?.headers ?? [:],
                            body: ["POST", "PUT"].contains(route.method.rawValue) ? #"{"unknown":1}"# : nil)
                        let what =
                            "\(route.method) \(prefix)\(path) as \(name): \(answer.status) \(answer.text.prefix(200))"
                        switch refusal(of: name, route.access, isExecution: isExecution) {
                        case let status?: #expect(answer.status == status, "\(what)")
                        case nil: #expect(![401, 403, 405, 500].contains(answer.status), "\(what)")
                        }
                    }
                }
            }
        }
    }

    private func refusal(of name: String, _ access: RouteAccess, isExecution: Bool) -> Int? {
        switch (name, access) {
        case ("nobody", _): 401
        case ("admin", _): nil
        case (_, .admin): 403
        case ("user", .developer), ("other", .developer): 403
        // An execution is its owner's; to anybody else it is not there.
        case ("other", _), ("developer", _): isExecution ? 404 : nil
        default: nil
        }
    }

    @Test("refuse keys that are for something else", .timeLimit(.minutes(5)))
    func scopes() async throws {
        try await ServerFixture.with { server in
            let made = try await server.post(
                "/keys", #"{"name":"reader","scopes":["executions:read"]}"#, as: server.user)
            #expect(made.status == 201, "\(made.text)")
            let text = try made.json()["key"] as? String ?? ""
            let reader = ServerFixture.Person(id: server.user.id, key: text)
            #expect(try await server.get("/executions", as: reader).status == 200)
            #expect(try await server.get("/users/me", as: reader).status == 403)
            #expect(try await server.post("/executions", "{}", as: reader).status == 403)
            #expect(try await server.post("/keys", #"{"name":"more"}"#, as: reader).status == 403)
            // Revoked, it is good no more at the next request.
            let id = made.id
            #expect(
                try await server.wire.send("DELETE", "/api/v1/keys/\(id)", headers: server.other.headers).status == 404)
            #expect(
                try await server.wire.send("DELETE", "/api/v1/keys/\(id)", headers: server.user.headers).status == 204)
            #expect(try await server.get("/executions", as: reader).code == "unauthenticated")
        }
    }
}
