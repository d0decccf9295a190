import ArgumentParser
import Foundation
import Runner

/// `paddock receipt verify`: does a receipt hold?
struct VerifyCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Say whether a receipt is what was signed, offline.",
        discussion: """
            Needs nothing but a public key: the one in --key, or those of the state folder.

            Exit code: 0 when the receipt is valid, 1 when it is not, 125 for an error of Paddock's own.
            """
    )

    @Argument(help: "The receipt's file, or - for stdin.")
    var file: String

    @Option(help: ArgumentHelp("Public keys in PEM, as `paddock receipt key` prints them.", valueName: "file"))
    var key: String?

    @Option(help: "How: table or json.")
    var format = OutputFormat.table

    /// No receipt and no list of keys comes near it.
    private static let sizeLimit = 4 << 20

    func run() throws {
        let text = try Self.contents(of: file, for: "the receipt")
        // After the receipt: a key that has signed it is known by now, even if it is being replaced.
        let keys = try trustedKeys()
        let outcome: Outcome
        do {
            let signed = try SignedReceipt(parsing: text)
            outcome = Outcome(keyId: signed.keyID, receipt: try signed.verified(with: keys))
        } catch let fault as ReceiptFault {
            outcome = Outcome(fault)
        }
        switch format {
        case .json: try Output.json(outcome)
        case .table: try Output.write(outcome.line + "\n")
        }
        guard outcome.valid else { throw ExitCode(1) }
    }

    private static func contents(of path: String, for what: String) throws -> [UInt8] {
        let bytes =
            path == "-"
            ? try StandardStreams.read(STDIN_FILENO, name: "stdin", upTo: sizeLimit + 1)
            : try StandardStreams.contents(of: path, for: what, upTo: sizeLimit + 1)
        guard bytes.count <= sizeLimit else { throw Failure("\(what): \(path) is larger than \(sizeLimit >> 20) MiB") }
        return bytes
    }

    private func trustedKeys() throws -> [VerificationKey] {
        guard let key else {
            let folder = try StateFolder.location(ProcessInfo.processInfo.environment)
            let keys = try KeyFolder(stateFolder: folder).verificationKeys()
            guard !keys.isEmpty else {
                throw Failure(
                    "the state folder \(folder) has no key: give the public one with --key FILE; `paddock receipt key` "
                        + "prints it where the receipt was made")
            }
            return keys
        }
        let pem = String(decoding: try Self.contents(of: key, for: "--key"), as: UTF8.self)
        do {
            return try VerificationKey.keys(pem: pem)
        } catch {
            throw Failure("--key: \(key): \(error)")
        }
    }
}

/// What a check came to, for people and for programs.
private struct Outcome: Encodable {
    let valid: Bool
    let code: ReceiptFault.Code?
    let message: String
    let keyId: String?
    /// Only of a valid one: nothing in another is to be believed.
    let receipt: Receipt?

    init(keyId: String, receipt: Receipt) {
        valid = true
        code = nil
        let reason = receipt.status == .succeeded ? "" : receipt.reason.map { " (\($0.rawValue))" } ?? ""
        message =
            "\(receipt.id) of \(receipt.image.prefix(19))… \(receipt.status.rawValue)\(reason) at \(receipt.finishedAt), "
            + "signed with the key \(keyId.prefix(16))…"
        self.keyId = keyId
        self.receipt = receipt
    }

    init(_ fault: ReceiptFault) {
        valid = false
        code = fault.code
        message = fault.message
        keyId = nil
        receipt = nil
    }

    /// A receipt is a stranger's: what it makes us say must stay one line and send nothing to the terminal.
    var line: String {
        let safe = message.unicodeScalars.map { $0.properties.generalCategory == .control ? "?" : String($0) }.joined()
        return (valid ? "valid: " : "invalid: ") + safe
    }

    private enum CodingKeys: String, CodingKey {
        case valid, code, message, keyId, receipt
    }

    /// Every key is always there, null where there is no value.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(valid, forKey: .valid)
        try container.encode(code, forKey: .code)
        try container.encode(message, forKey: .message)
        try container.encode(keyId, forKey: .keyId)
        try container.encode(receipt, forKey: .receipt)
    }
}
