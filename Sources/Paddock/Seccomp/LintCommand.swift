import ArgumentParser
import Runner

/// `paddock seccomp lint`: is a profile at least as strict as ours?
struct LintCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lint",
        abstract: "Say what a profile lets through that the standard policy does not.",
        discussion: "Exit code: 0 when there is nothing to say, 1 when there are findings."
    )

    @Argument(help: "A seccomp profile as Docker and the OCI runtimes take it (JSON), an agent.yaml, or its folder.")
    var file: String

    @Option(help: "How: table or json.")
    var format = OutputFormat.table

    func run() throws {
        let findings =
            switch try SeccompProfile.load(file) {
            case .engine(let profile): profile.lint()
            case .agent(let request): request.lint()
            }
        switch format {
        case .json: try Output.json(["findings": findings])
        case .table:
            var table = Table()
            for finding in findings { table.add(finding.code.rawValue, finding.message) }
            try Output.write(table.text)
        }
        guard findings.isEmpty else { throw ExitCode(1) }
        Console.error("\(file): nothing is looser than the standard policy")
    }
}
