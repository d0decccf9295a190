import ArgumentParser
import Runner

/// `paddock ps`: executions on a server.
struct PsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ps",
        abstract: "List executions on a server: those that have not ended, newest first.",
        discussion: "Administrators see everybody's."
    )

    @Flag(name: .shortAndLong, help: "Those that have ended too.")
    var all = false

    @Option(help: ArgumentHelp("Only those with this status (repeatable).", valueName: "status"))
    var status: [StatusName] = []

    @Option(help: ArgumentHelp("Only those of this agent.", valueName: "id|name"))
    var agent: String?

    @Option(help: ArgumentHelp("Only those of this user, for administrators.", valueName: "id"))
    var user: String?

    @Option(help: ArgumentHelp("Only those with this label (repeatable).", valueName: "name=value"))
    var label: [Assignment] = []

    @Option(name: [.customShort("n"), .long], help: ArgumentHelp("At most so many (50).", valueName: "count"))
    var limit = 50

    @Option(help: "How to print: table or json.")
    var format = OutputFormat.table

    @Flag(name: .shortAndLong, help: "Only the ids.")
    var quiet = false

    private static let page = 100

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit: write a number above 0") }
        if all, !status.isEmpty { throw ValidationError("--all and --status exclude each other") }
    }

    func run() async throws {
        try await Interruptible.run(quiet: true) { try await list() }
    }

    private func list() async throws {
        let server = try Server()
        var agentID: String?
        if let agent { agentID = try await AgentLookup(server).id(of: agent) }
        let wanted = status.isEmpty && !all ? Execution.Status.allCases.filter { !$0.isFinal } : status.map(\.value)
        var executions: [RemoteExecution] = []
        var cursor: String?
        repeat {
            let page = try await server.get(
                "/executions",
                query: [
                    ("limit", "\(min(Self.page, limit - executions.count))"), ("cursor", cursor), ("agentId", agentID),
                    ("userId", user), ("status", wanted.isEmpty ? nil : wanted.map(\.rawValue).joined(separator: ",")),
                ] + label.map { ("label.\($0.name)", $0.value) })
            executions += try (page["executions"]?.items ?? []).map { try RemoteExecution($0) }
            cursor = page["nextCursor"]?.text
        } while cursor != nil && executions.count < limit
        try show(executions)
    }

    private func show(_ executions: [RemoteExecution]) throws {
        if quiet { return try Output.write(executions.map { $0.id + "\n" }.joined()) }
        switch format {
        case .json: try Output.json(JSONValue.object(["executions": .array(executions.map(\.document))]))
        case .table:
            var table = Table(["id", "agent", "status", "created (UTC)", "for"])
            for execution in executions {
                table.add(
                    execution.id, execution.document["agentId"]?.text ?? "", execution.state, execution.created,
                    execution.duration)
            }
            try Output.write(table.text)
        }
    }
}

/// A status as an argument.
struct StatusName: ExpressibleByArgument {
    let value: Execution.Status

    init?(argument: String) {
        guard let value = Execution.Status(rawValue: argument) else { return nil }
        self.value = value
    }

    static var allValueStrings: [String] { Execution.Status.allCases.map(\.rawValue) }
}
