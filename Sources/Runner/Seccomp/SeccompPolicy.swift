/// Which system calls an agent may make: everything that is not named is refused with EPERM.
///
/// The policy is data: groups of calls, each with the reason why an agent has it. What it leaves out, and why, is in
/// ``SeccompPolicy/refusals``, so that `explain` and the documents can answer for every call.
/// Source: the man pages of section 2, seccomp(2), and the vulnerabilities that are named.
struct SeccompPolicy: Sendable {
    /// A condition on one argument, compared as the kernel reads it.
    enum Condition: Sendable, Equatable {
        /// The argument's low 32 bits are the value: the kernel ignores the others where it reads an int, and a
        /// comparison of all 64 could be passed by setting one of them.
        case equals(argument: Int, UInt32)
        /// Of the bits in the mask, those of the value are set and no others.
        case bits(argument: Int, mask: UInt64, value: UInt64)
    }

    /// Calls that are allowed, always or under every one of some conditions.
    struct Rule: Sendable, Equatable {
        var calls: [String]
        /// All must hold; empty for always. A call may stand in several rules: one is enough.
        var conditions: [Condition] = []
    }

    struct Group: Sendable {
        let name: String
        /// Why an agent has these.
        let reason: String
        let rules: [Rule]
    }

    /// Calls that are left out on purpose.
    struct Refusal: Sendable {
        let calls: [String]
        let reason: String
        /// What an agent gets instead of EPERM, where a library expects it so.
        var errno: Int32?
    }

    let groups: [Group]
    let refusals: [Refusal]
}

extension SeccompPolicy {
    /// The policy of every sandbox.
    static let standard = SeccompPolicy(groups: standardGroups, refusals: standardRefusals)
}
