import ArgumentParser

/// `paddock receipt`: signed receipts of executions, and the keys that they are signed with.
struct ReceiptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "receipt",
        abstract: "Check signed receipts, show the public key, replace the key.",
        subcommands: [VerifyCommand.self, KeyCommand.self, RotateCommand.self]
    )
}
