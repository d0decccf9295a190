/// What changes from one profile to another, call by call.
public struct SeccompDiff: Sendable, Encodable {
    public struct Change: Sendable, Encodable {
        public let call: String
        public let from: String
        public let to: String
    }

    /// Refused before, and let through now, if only on conditions.
    public private(set) var added: [Change] = []
    /// Let through before, and refused now.
    public private(set) var removed: [Change] = []
    /// Let through by both, on other conditions.
    public private(set) var conditioned: [Change] = []

    public var isEmpty: Bool { added.isEmpty && removed.isEmpty && conditioned.isEmpty }

    /// Looks at every call of this machine's architecture.
    public init(from old: SeccompProfile, to new: SeccompProfile) {
        for call in SyscallTable.all.sorted() {
            let before = old.verdict(on: call)
            let after = new.verdict(on: call)
            let change = Change(call: call, from: before.words, to: after.words)
            switch (before, after) {
            case (.refused, .refused): continue
            case (.refused, _): added.append(change)
            case (_, .refused): removed.append(change)
            default: if before != after { conditioned.append(change) }
            }
        }
    }
}
