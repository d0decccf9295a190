import Foundation
import Testing

@Suite("paddock users, keys and entitlements")
struct AccessCommandTests {
    /// Runs `paddock` on a database of the test's own.
    private struct Server {
        let folder: String

        func run(_ arguments: String..., code: Int32 = 0) async throws -> String {
            let program = try Program.paddock(
                arguments, environment: ["PADDOCK_STATE_DIR": folder, "DATABASE_URL": "sqlite:\(folder)/x.sqlite"])
            let exit = try await program.exitCode()
            #expect(exit == code, "\(arguments): \(program.stderr)")
            return code == 0 ? program.stdout : program.stderr
        }
    }

    private func withServer(_ body: (Server) async throws -> Void) async throws {
        let folder = "/tmp/paddock-access-\(UInt32.random(in: 0...UInt32.max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try await body(Server(folder: folder))
    }

    @Test("a user is created, changed and shown, in a table and as JSON", .timeLimit(.minutes(5)))
    func users() async throws {
        try await withServer { server async throws in
            #expect(try await server.run("users", "create", "usr_1", "--role", "developer") == "usr_1\n")
            #expect(try await server.run("users", "create", "usr_1", code: 125).contains("already"))
            let changed = try await server.run(
                "users", "set", "usr_1", "--tier", "2", "--balance", "500", "--per-day", "7", "--format", "json")
            let access = try #require(
                try JSONSerialization.jsonObject(with: Data(changed.utf8)) as? [String: Any])
            #expect(access["balanceCents"] as? Int == 500)
            #expect((access["quota"] as? [String: Any])?["limit"] as? Int == 7)
            #expect(try await server.run("users", "set", "usr_1", "--per-day", "none").contains("10"))
            _ = try await server.run("users", "deposit", "usr_1", "25", "--reference", "pay")
            _ = try await server.run("users", "deposit", "usr_1", "25", "--reference", "pay")
            #expect(try await server.run("users", "show", "usr_1").contains("525"))
            #expect(try await server.run("users", "list").contains("developer"))
            #expect(try await server.run("users", "bill", "usr_1", "2026-11").contains("total"))
            #expect(try await server.run("users", "set", "usr_1", "--tier", "9", code: 125).contains("tier 9"))
            #expect(try await server.run("users", "show", "usr_2", code: 125).contains("no user usr_2"))
        }
    }

    @Test("a key is shown once, listed without its secret, and revoked", .timeLimit(.minutes(5)))
    func keys() async throws {
        try await withServer { server async throws in
            _ = try await server.run("users", "create", "usr_1")
            let key = try await server.run("keys", "create", "usr_1", "--name", "laptop")
                .trimmingCharacters(in: .newlines)
            #expect(key.hasPrefix("pdk_"))
            let list = try await server.run("keys", "list", "--format", "json")
            let keys = try #require(try JSONSerialization.jsonObject(with: Data(list.utf8)) as? [[String: Any]])
            let id = try #require(keys.first?["id"] as? String)
            #expect(!list.contains(key))
            #expect(try await server.run("keys", "regenerate", id).hasPrefix("pdk_"))
            _ = try await server.run("keys", "revoke", id)
            #expect(try await server.run("keys", "list").contains("revoked"))
            #expect(try await server.run("keys", "revoke", id, code: 125).contains("not revoked"))
            #expect(
                try await server.run("keys", "create", "usr_1", "--name", "x", "--role", "admin", code: 125)
                    .contains("role"))
        }
    }

    @Test("admission is paused, shown and resumed, and a decision explained", .timeLimit(.minutes(5)))
    func gate() async throws {
        try await withServer { server async throws in
            _ = try await server.run("users", "create", "usr_1")
            _ = try await server.run("entitlements", "pause", "--reason", "an update")
            #expect(try await server.run("entitlements", "gate").contains("an update"))
            let program = try Program.paddock(
                ["entitlements", "explain", "usr_1", "agt_none"],
                environment: ["PADDOCK_STATE_DIR": server.folder, "DATABASE_URL": "sqlite:\(server.folder)/x.sqlite"])
            #expect(try await program.exitCode() == 1)
            #expect(program.stdout.contains("denies (paused)"))
            #expect(program.stdout.contains("there is no agent agt_none"))
            _ = try await server.run("entitlements", "resume")
            #expect(try await server.run("entitlements", "tiers").contains("20"))
            #expect(try await server.run("entitlements", "list", "--format", "json") == "[\n\n]\n")
            #expect(
                try await server.run("entitlements", "grant", "usr_1", "agt_none", code: 125)
                    .contains("no agent agt_none"))
        }
    }
}
