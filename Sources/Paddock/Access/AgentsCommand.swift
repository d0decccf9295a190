import ArgumentParser
import DockerAPI
import Entitlements
import Foundation
import Runner

/// `paddock agents`: what can be run.
struct AgentsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "agents",
        abstract: "List, create and change agents.",
        discussion: """
            Works on the server that PADDOCK_URL names, if it is set (list, show, delete, stats); else on the database \
            that DATABASE_URL names, or the state folder's.
            """,
        subcommands: [List.self, Show.self, Create.self, Set.self, Delete.self, Stats.self]
    )

    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "list", abstract: "List the agents.")

        @Option(help: "Only those of this category.")
        var category: AgentCategory?

        @Option(help: ArgumentHelp("Only those of this developer.", valueName: "user"))
        var owner: String?

        @OptionGroup var output: AccessOutput

        func run() async throws {
            if let server = try Server.named() {
                return try await server.listAgents(category: category?.rawValue, owner: owner, output)
            }
            let agents = try await Administration.with { admin in
                try await admin.all {
                    try await admin.agents.list(category: category, ownerID: owner, after: $0, in: $1)
                }
            }
            try output.write(agents.map(AgentView.init)) {
                var table = Table(["ID", "NAME", "CATEGORY", "PRICE", "VERSION", "ACTIVE", "IMAGE"])
                for agent in agents {
                    table.add(
                        agent.id, agent.name, agent.category.rawValue, "\(agent.price.amount) \(agent.price.token)",
                        "\(agent.version.number)", agent.isActive ? "yes" : "no", agent.version.dockerImage)
                }
                return table
            }
        }
    }

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(commandName: "show", abstract: "Show an agent, as JSON.")

        @Argument(help: "The agent's id.")
        var id: String

        func run() async throws {
            if let server = try Server.named() { return try Output.json(try await server.get("/agents/\(id.escaped)")) }
            try Output.json(AgentView(try await Administration.with { try await $0.agent(id) }))
        }
    }

    struct Create: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "create",
            abstract: "Create an agent from an image or a folder.",
            discussion: """
                A folder is built; an image that is absent is pulled. Name, description, schemas, limits and network are \
                those of its agent.yaml, where there is one. The image is pinned by its id.
                """)

        @Argument(help: "An image, or a folder with a Dockerfile and perhaps an agent.yaml.")
        var imageOrFolder: String

        @Option(help: ArgumentHelp("Its developer, who must be a user.", valueName: "user"))
        var owner: String

        @Option(help: "TRADING, ANALYTICS, DEFI, NFT, SOCIAL or UTILITY.")
        var category: AgentCategory

        @OptionGroup var fields: AgentFields

        @Flag(name: .shortAndLong, help: "No progress.")
        var quiet = false

        func run() async throws {
            try Server.refuse("paddock agents create")
            let (image, manifest) = try await AgentFields.image(imageOrFolder, quiet: quiet)
            var draft = AgentDraft(
                name: manifest?.name ?? "", description: manifest?.description ?? "", category: category,
                dockerImage: image.reference, imageDigest: image.id)
            try draft.take(manifest)
            fields.apply(to: &draft)
            let fixed = draft
            let agent = try await Administration.with { admin in
                try await admin.write {
                    try await admin.agents.create(fixed, ownerID: owner, by: Administration.actor, in: $0)
                }
            }
            try Output.write(agent.id + "\n")
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set",
            abstract: "Change an agent. Where what is run changes, that is a new version.")

        @Argument(help: "The agent's id.")
        var id: String

        @Option(
            help: ArgumentHelp("Another image or folder, with what its agent.yaml says.", valueName: "image|folder"))
        var image: String?

        @Option(help: "TRADING, ANALYTICS, DEFI, NFT, SOCIAL or UTILITY.")
        var category: AgentCategory?

        @Option(help: "Whether it is run: true or false.")
        var active: Bool?

        @OptionGroup var fields: AgentFields

        @Flag(name: .shortAndLong, help: "No progress.")
        var quiet = false

        func run() async throws {
            try Server.refuse("paddock agents set")
            let new: (AgentImage, Manifest?)?
            if let image { new = try await AgentFields.image(image, quiet: quiet) } else { new = nil }
            let agent = try await Administration.with { admin in
                try await admin.write { transaction async throws -> Agent in
                    var draft = AgentDraft(try await admin.agents.locked(id, in: transaction))
                    if let (image, manifest) = new {
                        draft.dockerImage = image.reference
                        draft.imageDigest = image.id
                        try draft.take(manifest)
                    }
                    draft.category = category ?? draft.category
                    draft.isActive = active ?? draft.isActive
                    fields.apply(to: &draft)
                    return try await admin.agents.update(id, to: draft, by: Administration.actor, in: transaction)
                }
            }
            try Output.json(AgentView(agent))
        }
    }

    struct Delete: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "delete",
            abstract: "Take an agent from the list. Its executions and statistics stay.")

        @Argument(help: "The agent's id.")
        var id: String

        func run() async throws {
            if let server = try Server.named() { return try await server.delete("/agents/\(id.escaped)") }
            let isDeleted = try await Administration.with { admin in
                try await admin.write { try await admin.agents.delete(id, by: Administration.actor, in: $0) }
            }
            guard isDeleted else { throw Failure("there is no agent \(id)") }
        }
    }

    struct Stats: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "stats",
            abstract: "Show how an agent's executions ended, how long and large they were, and what it earned, as JSON."
        )

        @Argument(help: "The agent's id.")
        var id: String

        func run() async throws {
            if let server = try Server.named() {
                return try Output.json(try await server.get("/agents/\(id.escaped)/stats"))
            }
            let statistics = try await Administration.with { admin in
                _ = try await admin.agent(id, isDeletedToo: true)
                return try await admin.agents.statistics(of: id, in: admin.database)
            }
            try Output.json(statistics)
        }
    }
}

/// Fields of an agent as options.
struct AgentFields: ParsableArguments {
    @Option(help: "3 to 100 characters.")
    var name: String?

    @Option(help: "10 to 1000 characters.")
    var description: String?

    @Option(help: "A decimal number, such as 0.25.")
    var price: String?

    @Option(help: "USD, charged for each execution, or the token that it is bought with.")
    var priceToken: String?

    @Option(help: ArgumentHelp("Executions of all users at once.", valueName: "n"))
    var maxConcurrent: Int?

    @Option(help: ArgumentHelp("Executions of all users in an hour.", valueName: "n"))
    var perHour: Int?

    func apply(to draft: inout AgentDraft) {
        draft.name = name ?? draft.name
        draft.description = description ?? draft.description
        draft.price = price ?? draft.price
        draft.priceToken = priceToken ?? draft.priceToken
        draft.maxConcurrent = maxConcurrent ?? draft.maxConcurrent
        draft.executionsPerHour = perHour ?? draft.executionsPerHour
    }

    static func image(_ imageOrFolder: String, quiet: Bool) async throws -> (AgentImage, Manifest?) {
        let engine = try LocalEngine()
        let source = try AgentSource(imageOrFolder)
        let image = try await DockerClient.withClient(engine.configuration) { client in
            try await source.image(ImageStore(client: client), quiet: quiet)
        }
        return (image, source.manifest)
    }
}

extension AgentDraft {
    /// What a manifest says of how it is run.
    mutating func take(_ manifest: Manifest?) throws {
        guard let manifest else { return }
        func text(_ schema: JSONValue?) throws -> String? {
            try schema.map { String(decoding: try $0.serialized(), as: UTF8.self) }
        }
        inputSchema = try text(manifest.inputSchema)
        outputSchema = try text(manifest.outputSchema)
        limits = manifest.limits ?? LimitsRequest()
        hosts = try manifest.egressRules().map(\.description)
    }
}
