import ArgumentParser
import Entitlements
import Foundation
import Runner
import WebClient

/// `paddock submit`: one execution of an agent on a server.
struct SubmitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "submit",
        abstract: "Submit an execution of an agent to a server, and print its id.",
        discussion: """
            It can be given again: paddock wait, paddock logs -f and paddock cancel take the id. A connection that \
            breaks is tried again without submitting twice.
            """
    )

    @Argument(help: "The agent's id, or its name.")
    var agent: String

    @Option(help: ArgumentHelp("The agent's input: JSON, @FILE, or - for stdin ({}).", valueName: "json"))
    var input: String?

    @OptionGroup(title: "Limits")
    var limits: LimitOptions

    @Option(
        help: ArgumentHelp(
            "A host that the agent may reach, in place of those of the agent (repeatable).", valueName: "host[:port]"))
    var allow: [String] = []

    @Option(help: ArgumentHelp("A variable for the agent (repeatable).", valueName: "name=value"))
    var env: [Assignment] = []

    @Option(
        help: ArgumentHelp(
            "A file /run/paddock/secrets/NAME for the agent (repeatable).", valueName: "name=value|name=@file"))
    var secret: [Assignment] = []

    @Option(help: ArgumentHelp("A label (repeatable).", valueName: "name=value"))
    var label: [Assignment] = []

    @Option(help: ArgumentHelp("Where to tell of its end.", valueName: "url"))
    var webhook: String?

    @Option(
        help: ArgumentHelp(
            "The same key and request again is the same execution. One is made where none is given.", valueName: "key"))
    var idempotencyKey: String?

    @Flag(help: "Print the execution as one JSON document.")
    var json = false

    @OptionGroup
    var options: ClientOptions

    func run() async throws {
        try await Interruptible.run(quiet: true) { try await submit() }
    }

    private func submit() async throws {
        let server = try Server()
        var body: [String: JSONValue] = [
            "input": try JSONValue(parsing: try RunInputs.input(input)),
            "agentId": .string(try await AgentLookup(server).id(of: agent)),
        ]
        if !isDefault(limits.request) {
            body["limits"] = try JSONValue(parsing: [UInt8](try JSONEncoder().encode(limits.request)))
        }
        if !allow.isEmpty {
            body["network"] = .object([
                "mode": .string("allowlist"), "allow": .array(allow.map { .string($0) }),
            ])
        }
        if !env.isEmpty { body["env"] = Self.object(env) }
        if !secret.isEmpty {
            let secrets = try RunInputs.secrets(secret).map { secret in
                guard let text = String(validating: secret.value, as: UTF8.self) else {
                    throw Failure("--secret \(secret.name): it is not UTF-8, and a server takes text only")
                }
                return (secret.name, JSONValue.string(text))
            }
            body["secrets"] = .object(Dictionary(secrets) { $1 })
        }
        if !label.isEmpty { body["labels"] = Self.object(label) }
        if let webhook { body["webhookUrl"] = .string(webhook) }
        var request = try server.request("POST", "/executions", body: .object(body))
        request.headers.append(("Idempotency-Key", idempotencyKey ?? UUID().uuidString.lowercased()))
        let execution = try RemoteExecution(try await server.send(request, retries: true))
        if json || options.format == .json {
            try Output.json(execution.document)
        } else {
            try Output.write(execution.id + "\n")
        }
    }

    private func isDefault(_ request: LimitsRequest) -> Bool { request == LimitsRequest() }

    private static func object(_ assignments: [Assignment]) -> JSONValue {
        .object(Dictionary(assignments.map { ($0.name, .string($0.value)) }) { $1 })
    }
}

/// Finds agents by what people call them.
struct AgentLookup {
    private let server: Server

    init(_ server: Server) { self.server = server }

    /// - Parameter text: an id, or a name that one agent has.
    func id(of text: String) async throws -> String {
        if text.hasPrefix("agt_") { return text }
        var found: [String] = []
        var cursor: String?
        repeat {
            let page = try await server.get("/agents", query: [("limit", "100"), ("cursor", cursor)])
            for agent in page["agents"]?.items ?? [] where agent["name"]?.text == text {
                if let id = agent["id"]?.text { found.append(id) }
            }
            cursor = page["nextCursor"]?.text
        } while cursor != nil
        guard let id = found.first else {
            throw Failure("there is no agent '\(text)' on \(server.base): see paddock agents list")
        }
        guard found.count == 1 else {
            throw Failure(
                "'\(text)' is the name of \(found.count) agents: give an id: \(found.joined(separator: ", "))")
        }
        return id
    }
}
