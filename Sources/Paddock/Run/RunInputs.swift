import Entitlements
import Foundation
import Runner

/// What `paddock run` was given, read and checked before anything is made on the Engine.
struct RunInputs {
    private let command: RunCommand
    private let source: AgentSource
    private let manifest: Manifest?
    private let limits: Limits
    private let input: [UInt8]
    private let outputSchema: JSONSchema?
    private let secrets: [(name: String, value: [UInt8])]
    private let egress: EgressPolicy?

    private static let inputLimit = 16 << 20

    /// - Throws: what is wrong with the flags, the files they name, or the manifest.
    init(_ command: RunCommand) async throws {
        self.command = command
        source = try AgentSource(command.imageOrFolder)
        manifest = source.manifest
        limits = try command.limits.request.over(manifest?.limits ?? LimitsRequest()).resolved()
        input = try Self.input(command.input)
        outputSchema = try manifest?.outputSchema.map { try JSONSchema(known: $0) }
        secrets = try Self.secrets(command.secret)
        egress = try command.egress.policy(beside: manifest?.egressRules() ?? [])
        try await checkInput()
    }

    /// What `--input` names, as one JSON text; `{}` where it is not given.
    static func input(_ text: String?) throws -> [UInt8] {
        let bytes: [UInt8]
        switch text {
        case nil: bytes = Array("{}".utf8)
        case "-": bytes = try StandardStreams.read(STDIN_FILENO, name: "stdin", upTo: inputLimit + 1)
        case let text? where text.hasPrefix("@"):
            bytes = try StandardStreams.contents(of: String(text.dropFirst()), for: "--input", upTo: inputLimit + 1)
        case let text?: bytes = Array(text.utf8)
        }
        guard bytes.count <= inputLimit else {
            throw Failure("--input: too large; at most \(inputLimit >> 20) MiB can be given")
        }
        do {
            _ = try JSONValue(parsing: bytes)
        } catch {
            let hint = text == nil || text == "-" || text?.hasPrefix("@") == true ? "" : "; use @FILE for a file"
            throw Failure("--input: \(error) (a string needs its quotes, as in '\"text\"'\(hint))")
        }
        return bytes
    }

    private static let secretCount = 64
    private static let secretBytes = 256 << 10

    /// What `--secret` names.
    static func secrets(_ assignments: [Assignment]) throws -> [(name: String, value: [UInt8])] {
        let secrets = try assignments.map { try secret($0) }
        guard secrets.count <= secretCount else {
            throw Failure("--secret: \(secrets.count) given; at most \(secretCount) are possible")
        }
        guard Set(secrets.map(\.name)).count == secrets.count else { throw Failure("--secret: a name is given twice") }
        let total = secrets.reduce(0) { $0 + $1.value.count }
        guard total <= secretBytes else {
            throw Failure("--secret: \(total) bytes in all; at most \(secretBytes >> 10) KiB are possible")
        }
        return secrets
    }

    private static func secret(_ assignment: Assignment) throws -> (name: String, value: [UInt8]) {
        let name = assignment.name
        guard name.wholeMatch(of: /[A-Za-z0-9_.-]{1,64}/) != nil, name != ".", name != ".." else {
            throw Failure("--secret: '\(name)' must be 1 to 64 letters, digits, '_', '.' or '-'")
        }
        if assignment.value.hasPrefix("@") {
            let path = String(assignment.value.dropFirst())
            let value = try StandardStreams.contents(of: path, for: "--secret \(name)", upTo: inputLimit + 1)
            return (name, value)
        }
        return (name, Array(assignment.value.utf8))
    }

    private func checkInput() async throws {
        guard let schema = try manifest?.inputSchema.map({ try JSONSchema(known: $0) }) else { return }
        let violations = await schema.violations(in: input)
        guard violations.isEmpty else {
            let list = violations.prefix(5).map(\.description).joined(separator: "; ")
            throw Failure("the input does not match the agent's input schema: \(list)")
        }
    }

    /// The execution: its image looked up, pulled or built.
    func request(images: ImageStore, host: RunnerHost) async throws -> ExecutionRequest {
        let runtime = try await host.runtime(named: command.runtime)
        try runtime.check(limits)
        try runtime.check(egress)
        let image = try await source.image(images, quiet: command.quiet)
        let words = try image.command(overriddenBy: manifest?.command, arguments: command.arguments)
        // Nobody takes over what a command line leaves behind.
        var request = ExecutionRequest(
            image: image, command: words, limits: limits, input: input, endsWithRunner: true)
        request.environment = command.env.map { "\($0.name)=\($0.value)" }
        request.secrets = secrets
        request.outputSchema = outputSchema
        request.runtime = runtime
        request.seccomp = manifest?.seccomp
        request.egress = egress
        return request
    }
}
