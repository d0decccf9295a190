import ArgumentParser
import Runner

/// `paddock show`: one execution on a server.
struct ShowExecutionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show an execution on a server."
    )

    @Argument(help: "The execution's id.")
    var id: String

    @Option(help: "How to print: table or json.")
    var format = OutputFormat.table

    func run() async throws {
        try await Interruptible.run(quiet: true) {
            let execution = try RemoteExecution(try await Server().get("/executions/\(id.escaped)"))
            switch format {
            case .json: try Output.json(execution.document)
            case .table: try Output.write(try Self.table(execution))
            }
        }
    }

    private static func table(_ execution: RemoteExecution) throws -> String {
        let document = execution.document
        var table = Table()
        func add(_ name: String, _ value: String?) { if let value, !value.isEmpty { table.add(name, value) } }
        add("id", execution.id)
        add("status", execution.state)
        add("message", document["message"]?.text)
        for key in ["agentId", "userId", "image", "runtime", "createdAt", "startedAt", "finishedAt"] {
            add(key, document[key]?.text)
        }
        add("for", execution.duration)
        for key in ["limits", "usage", "labels"] {
            guard case .object(let members)? = document[key] else { continue }
            let pairs = try members.sorted { $0.key < $1.key }.filter { $0.value != .null }.map {
                "\($0.key)=\(try $0.value.text ?? String(decoding: $0.value.serialized(), as: UTF8.self))"
            }
            add(key, pairs.joined(separator: " "))
        }
        add("network", (document["network"]?["allow"]?.items ?? []).compactMap(\.text).joined(separator: " "))
        for note in document["notes"]?.items ?? [] { add("note", note["message"]?.text) }
        if let output = document["output"], output != .null {
            add("output", String(decoding: try output.serialized(), as: UTF8.self))
        }
        return table.text
    }
}
