/// Which system calls an agent may make: everything that is not named is refused with EPERM.
///
/// The policy is data: groups of calls, each with the reason why an agent has it, and refusals, each with the reason
/// why it has not. From it come the Engine's JSON, the compiled filter, and what `paddock seccomp` says.
/// Source: the man pages of section 2, seccomp(2), and the vulnerabilities that are named.
public struct SeccompPolicy: Sendable, Equatable {
    /// A condition on one argument, compared as the kernel reads it.
    public enum Condition: Sendable, Equatable {
        /// The argument's low 32 bits are the value: the kernel ignores the others where it reads an int, and a
        /// comparison of all 64 could be passed by setting one of them.
        case equals(argument: Int, UInt32)
        /// Of the bits in the mask, those of the value are set and no others.
        case bits(argument: Int, mask: UInt64, value: UInt64)
    }

    /// Calls that are allowed, always or under every one of some conditions.
    public struct Rule: Sendable, Equatable {
        public var calls: [String]
        /// All must hold; empty for always. A call may stand in several rules: one is enough.
        public var conditions: [Condition] = []
        /// What the conditions let through, such as `TCGETS`.
        public var meaning: String?
    }

    /// Calls that are allowed for one reason.
    public struct Group: Sendable, Equatable {
        public let name: String
        /// Why an agent has these.
        public let reason: String
        /// The vulnerabilities that its conditions keep away.
        public var answers: [String] = []
        public var rules: [Rule]
    }

    /// Calls that are left out on purpose.
    public struct Refusal: Sendable, Equatable {
        public let calls: [String]
        public let reason: String
        /// The vulnerabilities that leaving them out keeps away.
        public var answers: [String] = []
        /// What an agent gets instead of EPERM, where a library expects it so.
        public var errno: Int32?
        /// Why it is let through under gVisor nevertheless; nil for what is refused there too.
        public var gvisorReason: String?
    }

    public let groups: [Group]
    public let refusals: [Refusal]
}

extension SeccompPolicy {
    /// The policy of every sandbox; an agent.yaml may only take calls away.
    public static let standard = SeccompPolicy(groups: standardGroups, refusals: standardRefusals)

    /// The standard policy, and what the recorder itself needs of ioctl: it reads and answers seccomp's notifications.
    /// On any other descriptor these requests are unknown.
    static let recording: SeccompPolicy = {
        let requests: [(name: String, number: UInt32)] = [
            ("SECCOMP_IOCTL_NOTIF_RECV", 0xC050_2100), ("SECCOMP_IOCTL_NOTIF_SEND", 0xC018_2101),
            ("SECCOMP_IOCTL_NOTIF_SET_FLAGS", 0x4008_2104),
        ]
        let recorder = Group(
            name: "the recorder", reason: "tells what the agent calls, in a run of paddock seccomp learn",
            rules: requests.map { request in
                Rule(calls: ["ioctl"], conditions: [.equals(argument: 1, request.number)], meaning: request.name)
            })
        return SeccompPolicy(groups: standardGroups + [recorder], refusals: standardRefusals)
    }()

    /// The policy for a runtime, as the Engine is sent it. gVisor's kernel serves one sandbox and no other, and what a
    /// call opens there harms nobody else.
    func adapted(to runtime: SandboxRuntime) -> SeccompPolicy {
        guard runtime.kernel == .gvisor else { return self }
        let isOpen = Dictionary(grouping: refusals) { $0.gvisorReason != nil }
        let opened = isOpen[true, default: []].map { refusal in
            Group(
                name: "under gVisor: \(refusal.calls.joined(separator: ", "))", reason: refusal.gvisorReason ?? "",
                rules: [Rule(calls: refusal.calls)])
        }
        return SeccompPolicy(groups: groups + opened, refusals: isOpen[false, default: []])
    }

    /// Every call that is allowed, always or on conditions.
    public var allowedCalls: Set<String> { Set(groups.flatMap(\.rules).flatMap(\.calls)) }
}
