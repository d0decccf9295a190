import API
import ArgumentParser
import Foundation
import Runner

/// `paddock serve`: the HTTP API, and a node that runs what is submitted.
struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Serve the HTTP API, and run what is submitted on this host's Engine.",
        discussion: """
            What is configured comes from flags, the environment, .env, and paddock.yaml, in that order. --check shows \
            every key, its value and where it was said, and starts nothing.

            SIGTERM and SIGINT stop it: requests and executions that are under way may end. A second one leaves at once.
            """
    )

    @Option(help: ArgumentHelp("Address to listen on (127.0.0.1).", valueName: "address"))
    var listen: String?

    @Option(help: ArgumentHelp("Port to listen on (8200).", valueName: "number"))
    var port: Int?

    @Option(help: ArgumentHelp("PEM file of the certificate chain, for TLS.", valueName: "file"))
    var tlsCert: String?

    @Option(help: ArgumentHelp("PEM file of its private key.", valueName: "file"))
    var tlsKey: String?

    @Flag(help: "Listen on other addresses than loopback's without TLS: whoever is on the way reads keys and inputs.")
    var insecureHttp = false

    @Option(help: ArgumentHelp("YAML file (paddock.yaml, where there is one).", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("File of NAME=VALUE lines (.env, where there is one).", valueName: "file"))
    var envFile: String?

    @Option(
        help: ArgumentHelp("Any key of the configuration, such as node.slots=4 (repeatable).", valueName: "key=value"))
    var set: [String] = []

    @Flag(help: "Show what is configured, with secrets masked, and start nothing.")
    var check = false

    @Option(help: "How --check prints: table or json.")
    var format = OutputFormat.table

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        let sources = try ConfigurationSources(
            flags: try flags(), environment: environment, environmentPath: envFile,
            yamlPath: config ?? environment["PADDOCK_CONFIG"].flatMap { $0.isEmpty ? nil : $0 })
        let configuration = try ServeConfiguration(sources, environment: environment)
        if check { return try ConfigurationReport(sources).print(format) }
        try await Serving(configuration).run()
    }

    private func flags() throws -> [String: String] {
        var flags: [String: String] = [:]
        for assignment in set {
            guard let equals = assignment.firstIndex(of: "=") else {
                throw Failure("--set \(assignment): write KEY=VALUE, such as node.slots=4")
            }
            flags[String(assignment[..<equals])] = String(assignment[assignment.index(after: equals)...])
        }
        flags["server.listen"] = listen ?? flags["server.listen"]
        flags["server.port"] = port.map { String($0) } ?? flags["server.port"]
        flags["server.tlsCertificate"] = tlsCert ?? flags["server.tlsCertificate"]
        flags["server.tlsKey"] = tlsKey ?? flags["server.tlsKey"]
        if insecureHttp { flags["server.insecureHTTP"] = "true" }
        return flags
    }
}

/// What `--check` shows.
private struct ConfigurationReport: Encodable {
    private struct Line: Encodable {
        let key: String
        let variable: String
        let value: String
        let source: String
        let about: String
    }

    private let configuration: [Line]

    init(_ sources: ConfigurationSources) {
        configuration = ConfigurationKey.all.map { key in
            Line(
                key: key.name, variable: key.variable,
                value: sources[key.name].map { key.isSecret ? "(set)" : Self.masked($0) } ?? "",
                source: sources.source(of: key.name),
                about: key.about)
        }
    }

    /// A URL without what may be secret in it: who signs in, and its query.
    private static func masked(_ value: String) -> String {
        guard value.contains("://"), var url = URLComponents(string: value) else { return value }
        guard url.user != nil || url.password != nil || url.query != nil else { return value }
        if url.user != nil { url.user = "masked" }
        url.password = nil
        if url.query != nil { url.query = "masked" }
        return url.string ?? "(set)"
    }

    func print(_ format: OutputFormat) throws {
        switch format {
        case .json: try Output.json(self)
        case .table:
            var table = Table(["key", "variable", "value", "from", "what"])
            for line in configuration { table.add(line.key, line.variable, line.value, line.source, line.about) }
            try Output.write(table.text)
        }
    }
}
