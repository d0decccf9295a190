import ArgumentParser
import Glibc
import Runner

/// `paddock seccomp show`: the standard policy.
struct ShowCommand: ParsableCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case table, json, engine, pfc, bpf
    }

    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Print the policy of every sandbox.",
        discussion: """
            table and json: groups and refusals, with their reasons. engine: what the Engine is sent for a \
            runtime that shares the host's kernel. pfc: the filter \
            that libseccomp makes of it, as pseudo-code. bpf: that filter, as bytes.
            """
    )

    @Option(help: "How: table, json, engine, pfc or bpf.")
    var format = Format.table

    func run() throws {
        let policy = SeccompPolicy.standard
        switch format {
        case .table: try Output.write(table(policy))
        case .json: try Output.json(Document(policy))
        case .engine: try Output.write(policy.engineProfile() + "\n")
        case .pfc: try Output.write(compiled(policy).pseudoCode)
        case .bpf:
            if isatty(STDOUT_FILENO) == 1 {
                throw Failure("bpf is bytes, not text: send stdout to a file or a pipe, or use --format pfc")
            }
            try Output.write(compiled(policy).bpf)
        }
    }

    private func compiled(_ policy: SeccompPolicy) throws -> CompiledSeccomp {
        let compiled = try CompiledSeccomp(policy)
        if !compiled.unknownCalls.isEmpty {
            Console.error(
                "libseccomp \(CompiledSeccomp.libraryVersion) does not know, and so its filter refuses: "
                    + compiled.unknownCalls.joined(separator: ", "))
        }
        return compiled
    }

    private func table(_ policy: SeccompPolicy) -> String {
        var table = Table(["VERDICT", "WHAT", "CALLS", "WHY"])
        for group in policy.groups {
            let calls = Set(group.rules.flatMap(\.calls))
            let isConditional = group.rules.contains { !$0.conditions.isEmpty }
            table.add(
                isConditional ? "conditional" : "allowed", group.name, "\(calls.count)",
                Self.reason(group.reason, group.answers))
        }
        for refusal in policy.refusals {
            let first = refusal.calls.prefix(2).joined(separator: ", ")
            table.add(
                "refused", refusal.calls.count > 2 ? first + ", …" : first, "\(refusal.calls.count)",
                Self.reason(refusal.reason, refusal.answers))
        }
        table.add("refused", "everything else", "", "EPERM")
        for refusal in policy.refusals {
            guard let reason = refusal.gvisorReason else { continue }
            table.add(
                "under gVisor", refusal.calls.joined(separator: ", "), "\(refusal.calls.count)", "allowed: \(reason)")
        }
        return table.text
    }

    private static func reason(_ reason: String, _ answers: [String]) -> String {
        answers.isEmpty ? reason : "\(reason) (\(answers.joined(separator: ", ")))"
    }

    /// The JSON form.
    private struct Document: Encodable {
        struct Group: Encodable {
            let name: String
            let reason: String
            let answers: [String]
            let calls: [String]
            let conditions: [String: [String]]
        }

        struct Refusal: Encodable {
            let calls: [String]
            let reason: String
            let answers: [String]
            let errno: Int32
            let gvisorReason: String?
        }

        let groups: [Group]
        let refusals: [Refusal]

        init(_ policy: SeccompPolicy) {
            groups = policy.groups.map { group in
                let conditional = group.rules.filter { !$0.conditions.isEmpty }
                var conditions: [String: [String]] = [:]
                for rule in conditional { for call in rule.calls { conditions[call, default: []].append(rule.words) } }
                return Group(
                    name: group.name, reason: group.reason, answers: group.answers,
                    calls: Set(group.rules.flatMap(\.calls)).sorted(), conditions: conditions)
            }
            refusals = policy.refusals.map {
                Refusal(
                    calls: $0.calls.sorted(), reason: $0.reason, answers: $0.answers, errno: $0.errno ?? EPERM,
                    gvisorReason: $0.gvisorReason)
            }
        }
    }
}
