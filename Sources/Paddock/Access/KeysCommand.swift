import ArgumentParser
import Entitlements
import Foundation
import Runner

/// `paddock keys`: API keys.
struct KeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys",
        abstract: "List, create and revoke API keys.",
        discussion: """
            Works on the server that PADDOCK_URL names, if it is set (list, create, revoke); else on the database that \
            DATABASE_URL names, or the state folder's.
            """,
        subcommands: [List.self, Show.self, Create.self, Regenerate.self, Revoke.self]
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "list", abstract: "List the keys, without their secrets.")

        @Option(help: "Only those of this user.")
        var user: String?

        @OptionGroup var output: AccessOutput

        func run() async throws {
            if let server = try Server.named() { return try await server.listKeys(of: user, output) }
            let keys = try await Administration.with { admin in
                try await admin.all { try await admin.keys.list(userID: user, after: $0, in: $1) }
            }
            try output.write(keys) {
                var table = Table(["ID", "USER", "ROLE", "BEGINS", "STATE", "LAST USED", "NAME"])
                for key in keys {
                    let state =
                        key.revokedAt != nil ? "revoked" : key.isGood(at: Date()) ? "good" : "expired"
                    table.add(
                        key.id, key.userID, key.role.rawValue, key.prefix, state, key.lastUsedAt?.rfc3339 ?? "never",
                        key.name)
                }
                return table
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show a key, without its secret, as JSON.")

        @Argument(help: "The key's id.")
        var id: String

        func run() async throws {
            try Server.refuse("paddock keys show")
            guard let key = try await Administration.with({ try await $0.keys.find(id, in: $0.database) }) else {
                throw Failure("there is no key \(id)")
            }
            try Output.json(key)
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create",
            abstract: "Create a key, and print it: it is shown this once.")

        @Argument(help: "The user that it is for.")
        var user: String

        @Option(help: "What it is for.")
        var name: String

        @Option(help: "user, developer or admin; the user's where none is given, and not more than it.")
        var role: Role?

        @Option(help: ArgumentHelp("What it may do; repeatable. Everything where none is given.", valueName: "scope"))
        var scope: [String] = []

        @Option(help: ArgumentHelp("Requests per window; 0 for no limit.", valueName: "n"))
        var requestLimit: Int?

        @Option(help: ArgumentHelp("When it ends, such as 2027-01-31.", valueName: "time"))
        var expires: TimeOption?

        func run() async throws {
            if let server = try Server.named() {
                return try await server.createKey([
                    "userId": .string(user), "name": .string(name), "role": role.map { .string($0.rawValue) },
                    "scopes": scope.isEmpty ? nil : .array(scope.map { .string($0) }),
                    "requestLimit": requestLimit.map { .integer(Int64($0)) },
                    "expiresAt": expires.map { .string($0.date.rfc3339) },
                ])
            }
            let new = try await Administration.with { admin in
                try await admin.write {
                    try await admin.keys.create(
                        userID: user, name: name, role: role, scopes: scope, requestLimit: requestLimit,
                        expiresAt: expires?.date, by: Administration.actor, in: $0)
                }
            }
            try Output.write(new.text + "\n")
            Console.error("\(new.key.id): keep it now, it is not shown again")
        }
    }

    struct Regenerate: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "regenerate",
            abstract: "Give a key another secret, and print it. The old one is good no more.")

        @Argument(help: "The key's id.")
        var id: String

        func run() async throws {
            try Server.refuse("paddock keys regenerate")
            let new = try await Administration.with { admin in
                try await admin.write { try await admin.keys.regenerate(id, by: Administration.actor, in: $0) }
            }
            try Output.write(new.text + "\n")
        }
    }

    struct Revoke: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "revoke", abstract: "End a key at once.")

        @Argument(help: "The key's id.")
        var id: String

        func run() async throws {
            if let server = try Server.named() { return try await server.delete("/keys/\(id.escaped)") }
            let isRevoked = try await Administration.with { admin in
                try await admin.write { try await admin.keys.revoke(id, by: Administration.actor, in: $0) }
            }
            guard isRevoked else { throw Failure("there is no key \(id) that is not revoked") }
        }
    }
}
