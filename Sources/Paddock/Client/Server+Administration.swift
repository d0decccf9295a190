import Foundation
import Runner

/// What `paddock agents` and `paddock keys` do where `PADDOCK_URL` names a server, and not on the database.
extension Server {
    /// nil where `PADDOCK_URL` is not set.
    static func named(environment: [String: String] = ProcessInfo.processInfo.environment) throws -> Server? {
        guard environment["PADDOCK_URL"].map({ !$0.isEmpty }) ?? false else { return nil }
        return try Server(environment: environment)
    }

    /// For what can only be done on the database.
    static func refuse(_ command: String) throws {
        guard try named() != nil else { return }
        throw Failure("\(command) works on the database only, and PADDOCK_URL names a server: unset it")
    }

    /// Every page of a list.
    func all(_ path: String, _ key: String, query: [(String, String?)] = []) async throws -> [JSONValue] {
        var found: [JSONValue] = []
        var cursor: String?
        repeat {
            let page = try await get(path, query: query + [("limit", "100"), ("cursor", cursor)])
            found += page[key]?.items ?? []
            cursor = page["nextCursor"]?.text
        } while cursor != nil
        return found
    }

    func listAgents(category: String?, owner: String?, _ output: AccessOutput) async throws {
        let agents = try await all("/agents", "agents", query: [("category", category)]).filter { agent in
            owner == nil || agent["developerId"]?.text == owner
        }
        try output.write(agents) {
            var table = Table(["ID", "NAME", "CATEGORY", "PRICE", "IMAGE"])
            for agent in agents {
                table.add(
                    agent["id"]?.text ?? "", agent["name"]?.text ?? "", agent["category"]?.text ?? "",
                    "\(agent["price"]?.text ?? "") \(agent["priceToken"]?.text ?? "")", agent["dockerImage"]?.text ?? ""
                )
            }
            return table
        }
    }

    func listKeys(of user: String?, _ output: AccessOutput) async throws {
        let keys = try await all("/keys", "keys").filter { user == nil || $0["userId"]?.text == user }
        try output.write(keys) {
            var table = Table(["ID", "USER", "ROLE", "BEGINS", "EXPIRES", "LAST USED", "NAME"])
            for key in keys {
                table.add(
                    key["id"]?.text ?? "", key["userId"]?.text ?? "", key["role"]?.text ?? "",
                    key["prefix"]?.text ?? "",
                    key["expiresAt"]?.text ?? "never", key["lastUsedAt"]?.text ?? "never", key["name"]?.text ?? "")
            }
            return table
        }
    }

    /// - Parameter fields: of the new key; those that are nil are left to the server.
    func createKey(_ fields: [String: JSONValue?]) async throws {
        let request = try request("POST", "/keys", body: .object(fields.compactMapValues { $0 }))
        // Again would be a second key.
        let key = try await send(request, retries: false)
        guard let text = key["key"]?.text else { throw Failure("\(base) made a key and did not say it") }
        try Output.write(text + "\n")
        Console.error("\(key["id"]?.text ?? ""): keep it now, it is not shown again")
    }

    func delete(_ path: String) async throws { _ = try await send(try request("DELETE", path), retries: true) }
}
