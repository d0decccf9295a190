import ArgumentParser
import Runner

/// `paddock audit verify`: was anything removed from the trail, changed, or moved?
struct AuditVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract:
            "Follow the audit trail from its first entry to its last, and find what was removed, changed or moved.",
        discussion: """
            Reads the database that DATABASE_URL names, or the state folder's. Keep the head that it prints somewhere \
            else, and give it with --head the next time: whoever can write the whole database can write another trail \
            that is whole in itself.

            Exit code: 0 when the trail holds, 1 when it does not, 125 for an error of Paddock's own.
            """
    )

    @Option(help: ArgumentHelp("A head that was kept, which the trail must have passed.", valueName: "number:hash"))
    var head: String?

    @Option(help: "How: table or json.")
    var format = OutputFormat.table

    func run() async throws {
        let known = try head.map(Self.parse)
        let outcome = try await LocalDatabase.with { database in
            do {
                let (head, waiting) = try await AuditTrail(database).verify(known: known)
                return Outcome(
                    valid: true, code: nil, message: nil, entries: head.sequence, head: head, waiting: waiting)
            } catch let fault as AuditVerifier.Fault {
                return Outcome(
                    valid: false, code: fault.code, message: fault.message, entries: nil, head: nil, waiting: nil)
            }
        }
        switch format {
        case .json: try Output.json(outcome)
        case .table: try Output.write(outcome.line + "\n")
        }
        guard outcome.valid else { throw ExitCode(1) }
    }

    private static func parse(_ text: String) throws -> AuditHead {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let sequence = Int64(parts[0]), sequence >= 0, parts[1].utf8.count == 64,
            parts[1].allSatisfy({ $0.isHexDigit && !$0.isUppercase })
        else {
            throw Failure("--head: \(text) is no head: give NUMBER:HASH, as `paddock audit verify` printed it")
        }
        return AuditHead(sequence: sequence, hash: String(parts[1]))
    }

    /// What a check came to, for people and for programs.
    private struct Outcome: Encodable {
        let valid: Bool
        let code: AuditVerifier.Fault.Code?
        let message: String?
        let entries: Int64?
        let head: AuditHead?
        /// Entries that are not chained yet: a server does that within about a second.
        let waiting: Int?

        var line: String {
            guard let head, let waiting else { return "invalid: \(message ?? "")" }
            let rest = waiting == 0 ? "" : ", and \(waiting) that wait for a server to chain them"
            return "valid: \(head.sequence) entries\(rest); head \(head.sequence):\(head.hash)"
        }
    }
}
