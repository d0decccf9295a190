import ArgumentParser
import Foundation
import Runner

/// `paddock receipt rotate`: a new key for the receipts to come.
struct RotateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rotate",
        abstract: "Make a new key for receipts, and print its public half in PEM.",
        discussion: "Receipts that the old key has signed stay valid; it is taken for no execution that ends later."
    )

    func run() throws {
        let folder = KeyFolder(stateFolder: try StateFolder(environment: ProcessInfo.processInfo.environment).path)
        let (new, retired) = try folder.rotate()
        try Output.write(new.pem)
        Console.error("receipts are signed with the key \(new.id) from now on")
        if let retired { Console.error("retired: \(retired.id)") }
    }
}
