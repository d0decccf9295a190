import ArgumentParser
import Foundation
import Runner

/// `paddock receipt key`: the public halves of the keys that receipts are signed with.
struct KeyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key",
        abstract: "Print the public keys in PEM: the one in use, then those that were.",
        discussion: "What it prints is what `paddock receipt verify --key` takes. The first time, the key is made."
    )

    @Option(help: "How: table (PEM) or json.")
    var format = OutputFormat.table

    func run() throws {
        let folder = KeyFolder(stateFolder: try StateFolder(environment: ProcessInfo.processInfo.environment).path)
        _ = try folder.signingKey()
        let keys = try folder.verificationKeys()
        switch format {
        case .json: try Output.json(["keys": keys])
        case .table: try Output.write(keys.map { Self.title(of: $0) + $0.pem }.joined())
        }
    }

    /// Text before a block is no part of it: RFC 7468.
    private static func title(of key: VerificationKey) -> String {
        "key \(key.id)\(key.retiredAt.map { ", retired \($0)" } ?? "")\n"
    }
}
