import ArgumentParser
import Runner

/// `paddock seccomp diff`: what one profile lets through and another does not.
struct DiffCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Compare two profiles, or one with the standard policy.",
        discussion: """
            Each is `standard`, a profile as Docker and the OCI runtimes take it (JSON), an agent.yaml or its folder. \
            + is let through by the second only, - by the first only, ~ by both on other conditions.
            """
    )

    @Argument(help: "The first profile; where it is the only one, it is compared with the standard policy.")
    var first: String

    @Argument(help: "The second profile.")
    var second: String?

    @Option(help: "How: table or json.")
    var format = OutputFormat.table

    func run() throws {
        let from = try Self.profile(second == nil ? Self.standard : first)
        let diff = SeccompDiff(from: from, to: try Self.profile(second ?? first))
        switch format {
        case .json: try Output.json(diff)
        case .table: try Output.write(diff.text)
        }
        if diff.isEmpty { Console.error("both let the same calls through") }
    }

    private static let standard = "standard"

    private static func profile(_ name: String) throws -> SeccompProfile {
        if name == standard { return SeccompPolicy.standard.profile }
        return switch try SeccompProfile.load(name) {
        case .engine(let profile): profile
        case .agent(let request): try SeccompPolicy.narrowed(to: request).profile
        }
    }
}

extension SeccompDiff {
    /// A line a call.
    var text: String {
        var table = Table()
        for change in added { table.add("+ \(change.call)", change.to) }
        for change in removed { table.add("- \(change.call)", change.to) }
        for change in conditioned { table.add("~ \(change.call)", "\(change.from) → \(change.to)") }
        return table.text
    }
}
