/// What the standard policy does with one call, and why.
public struct SeccompExplanation: Sendable, Encodable {
    public enum Verdict: String, Sendable, Encodable {
        case allowed, conditional, refused
    }

    public let call: String
    /// On this machine's architecture; nil for a call that it does not have.
    public let number: Int?
    public let verdict: Verdict
    /// The group of the policy that allows it.
    public let group: String?
    public let reason: String
    /// Vulnerabilities that the refusal, or the conditions, keep away.
    public let answers: [String]
    /// One of these must hold, where there are any.
    public let conditions: [String]
    /// What a caller gets that is refused, or does not meet the conditions.
    public let errno: String?
    /// Why it is let through under gVisor, where it is refused elsewhere.
    public let gvisorReason: String?

    /// - Parameter text: a name, or a number of this architecture.
    /// - Returns: nil for what neither the policy nor libseccomp knows.
    public init?(of text: String) {
        let name = Int(text).map { SyscallTable.name(of: $0) } ?? text
        guard let name else { return nil }
        let known = SyscallTable.number(of: name)
        call = name
        number = known.flatMap { $0 < 0 ? nil : $0 }
        let policy = SeccompPolicy.standard
        if let group = policy.groups.first(where: { $0.rules.contains { $0.calls.contains(name) } }) {
            let rules = group.rules.filter { $0.calls.contains(name) }
            let isConditional = rules.allSatisfy { !$0.conditions.isEmpty }
            verdict = isConditional ? .conditional : .allowed
            self.group = group.name
            reason = group.reason
            answers = isConditional ? group.answers : []
            conditions = isConditional ? rules.map(\.words) : []
            errno = isConditional ? "EPERM" : nil
            gvisorReason = nil
            return
        }
        let refusal = policy.refusals.first { $0.calls.contains(name) }
        guard refusal != nil || known != nil else { return nil }
        verdict = .refused
        group = nil
        reason = refusal?.reason ?? "no agent was seen to need it, and what is not named is refused"
        answers = refusal?.answers ?? []
        conditions = []
        errno = Errno.name(refusal?.errno ?? 1)
        gvisorReason = refusal?.gvisorReason
    }

    /// Up to three known names that are close to a wrong one, or that it begins.
    public static func namesLike(_ text: String) -> [String] {
        let names = SeccompPolicy.standard.knownCalls.union(SyscallTable.all)
        let most = max(1, text.count / 3)
        return names.map { (name: $0, distance: distance(Array(text), Array($0))) }
            .filter { $0.distance <= most || (text.count > 2 && $0.name.hasPrefix(text)) }
            .sorted { ($0.distance, $0.name) < ($1.distance, $1.name) }
            .prefix(3).map(\.name)
    }

    /// How many characters to insert, drop or replace, by Levenshtein.
    private static func distance(_ a: [Character], _ b: [Character]) -> Int {
        var row = Array(0...b.count)
        for (i, left) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, right) in b.enumerated() {
                let replaced = diagonal + (left == right ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(replaced, diagonal + 1, row[j] + 1)
            }
        }
        return row[b.count]
    }
}

extension SeccompPolicy {
    /// Every call that the policy names, allowed or refused.
    var knownCalls: Set<String> { allowedCalls.union(refusals.flatMap(\.calls)) }
}

extension SeccompPolicy.Rule {
    /// The conditions for people, with what they mean first.
    public var words: String {
        let tests = conditions.map { condition in
            let whole = condition.mask == 0xFFFF_FFFF
            let bits = whole ? "" : " & 0x\(String(condition.mask, radix: 16))"
            return "args[\(condition.argument)]\(bits) == 0x\(String(condition.value, radix: 16))"
        }
        let text = tests.joined(separator: " and ")
        return meaning.map { "\($0): \(text)" } ?? text
    }
}
