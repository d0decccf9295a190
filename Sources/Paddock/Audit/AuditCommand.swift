import ArgumentParser

/// `paddock audit`: the trail of decisions and changes of state.
struct AuditCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Check the audit trail of a database.",
        subcommands: [AuditVerifyCommand.self]
    )
}
