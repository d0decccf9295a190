import ArgumentParser
import Runner

/// `paddock seccomp explain`: one call.
struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Say whether an agent may make a system call, and why.")

    @Argument(help: "A system call's name, or its number on this machine.")
    var syscall: String

    @Option(help: "How: table or json.")
    var format = OutputFormat.table

    func run() throws {
        guard let explanation = SeccompExplanation(of: syscall) else {
            let near = SeccompExplanation.namesLike(syscall)
            let hint =
                near.isEmpty
                ? "a name as in `man 2 syscalls` is wanted" : "did you mean \(near.joined(separator: ", "))?"
            throw Failure("there is no system call '\(syscall)': \(hint)")
        }
        switch format {
        case .json: try Output.json(explanation)
        case .table: try Output.write(text(explanation))
        }
    }

    private func text(_ explanation: SeccompExplanation) -> String {
        var table = Table()
        table.add("call", explanation.call + (explanation.number.map { ", number \($0)" } ?? ", not on this machine"))
        switch explanation.verdict {
        case .allowed: table.add("verdict", "allowed")
        case .conditional: table.add("verdict", "allowed on conditions, else \(explanation.errno ?? "")")
        case .refused: table.add("verdict", "refused with \(explanation.errno ?? "")")
        }
        if let group = explanation.group { table.add("group", group) }
        table.add("why", explanation.reason)
        if !explanation.answers.isEmpty { table.add("answers", explanation.answers.joined(separator: ", ")) }
        if let reason = explanation.gvisorReason { table.add("gVisor", "allowed: \(reason)") }
        for condition in explanation.conditions { table.add("if", condition) }
        return table.text
    }
}
