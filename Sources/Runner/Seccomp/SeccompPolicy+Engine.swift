import Glibc

extension SeccompPolicy {
    /// The policy in the form of the Engine.
    ///
    /// `defaultErrnoRet` is ignored by Engine 20.10, whose default is EPERM as ours is; what gets another number has a
    /// rule of its own.
    public var profile: SeccompProfile {
        let allowed = groups.flatMap(\.rules).compactMap { rule in
            let calls = rule.calls.filter { SyscallTable.mayExist($0) }
            return calls.isEmpty
                ? nil
                : SeccompProfile.Syscall(
                    names: calls, action: "SCMP_ACT_ALLOW", args: rule.conditions.map(\.comparison))
        }
        let refused = refusals.compactMap { refusal in
            refusal.errno.map { errno in
                SeccompProfile.Syscall(names: refusal.calls, action: "SCMP_ACT_ERRNO", args: [], errnoRet: errno)
            }
        }
        return SeccompProfile(
            defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: EPERM,
            architectures: [SeccompProfile.nativeArchitecture], syscalls: allowed + refused)
    }

    /// The policy as the Engine takes it in `SecurityOpt`.
    public func engineProfile() throws -> String { try profile.serialized() }
}

extension SeccompPolicy.Condition {
    /// Both kinds are the comparison of libseccomp that looks at chosen bits only.
    fileprivate var comparison: SeccompProfile.Comparison {
        .init(index: argument, value: mask, valueTwo: value, op: "SCMP_CMP_MASKED_EQ")
    }

    /// Which argument, from 0 on.
    public var argument: Int {
        switch self {
        case .equals(let argument, _), .bits(let argument, _, _): argument
        }
    }

    /// The bits that are looked at.
    public var mask: UInt64 {
        switch self {
        case .equals: 0xFFFF_FFFF
        case .bits(_, let mask, _): mask
        }
    }

    /// What those bits must be.
    public var value: UInt64 {
        switch self {
        case .equals(_, let value): UInt64(value)
        case .bits(_, _, let value): value
        }
    }
}
