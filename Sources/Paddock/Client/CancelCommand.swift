import ArgumentParser
import Runner

/// `paddock cancel`: ends an execution on a server.
struct CancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel",
        abstract: "Cancel executions on a server.",
        discussion: "It returns when the server has taken the wish; paddock wait waits for the end."
    )

    @Argument(help: "The executions' ids.")
    var ids: [String]

    @Option(help: ArgumentHelp("From SIGTERM to SIGKILL, in place of the execution's own.", valueName: "seconds"))
    var grace: Seconds?

    @Option(help: ArgumentHelp("Why, for the execution's message.", valueName: "text"))
    var reason: String?

    @OptionGroup
    var options: ClientOptions

    func validate() throws {
        if ids.isEmpty { throw ValidationError("give the id of an execution") }
    }

    func run() async throws {
        try await Interruptible.run(quiet: true) { try await cancel() }
    }

    private func cancel() async throws {
        let server = try Server()
        var body: [String: JSONValue] = [:]
        if let grace { body["graceSeconds"] = .number(grace.value) }
        if let reason { body["reason"] = .string(reason) }
        for id in ids {
            let request = try server.request("POST", "/executions/\(id.escaped)/cancel", body: .object(body))
            // Again is no second wish.
            let execution = try RemoteExecution(try await server.send(request, retries: true))
            switch options.format {
            case .json: try Output.json(execution.document)
            case .table: try Output.write(execution.id + "\n")
            }
            if !options.quiet, execution.status.isFinal { Console.error("\(execution.id): \(execution.summary)") }
        }
    }
}
