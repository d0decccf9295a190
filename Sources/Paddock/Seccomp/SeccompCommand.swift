import ArgumentParser

/// `paddock seccomp`: the syscall policy, for people and for tools.
struct SeccompCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "seccomp",
        abstract: "Show, explain, check and compare the syscall policy of the sandbox.",
        subcommands: [
            ShowCommand.self, ExplainCommand.self, LintCommand.self, DiffCommand.self, LearnCommand.self,
        ]
    )
}
