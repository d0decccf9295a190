import Foundation

extension SeccompPolicy {
    /// The policy as the Engine takes it in `SecurityOpt`.
    ///
    /// `defaultErrnoRet` is ignored by Engine 20.10, whose default is EPERM as ours is; what gets another number has a
    /// rule of its own.
    /// - Throws: never for the standard policy.
    func engineProfile() throws -> String {
        var syscalls: [EngineProfile.Syscall] = []
        for rule in groups.flatMap(\.rules) {
            syscalls.append(.init(names: rule.calls, action: "SCMP_ACT_ALLOW", args: rule.conditions.map(\.argument)))
        }
        for refusal in refusals {
            guard let errno = refusal.errno else { continue }
            syscalls.append(.init(names: refusal.calls, action: "SCMP_ACT_ERRNO", args: [], errnoRet: errno))
        }
        let profile = EngineProfile(
            defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: EPERM, architectures: [Self.architecture],
            syscalls: syscalls)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return String(decoding: try encoder.encode(profile), as: UTF8.self)
    }

    /// Native only: calls by another architecture's numbers end the process.
    private static var architecture: String {
        #if arch(arm64)
            "SCMP_ARCH_AARCH64"
        #else
            "SCMP_ARCH_X86_64"
        #endif
    }

    fileprivate struct EngineArgument: Encodable {
        var index: Int
        var value: UInt64
        var valueTwo: UInt64
        var op: String
    }

    /// Source: the OCI runtime specification, config-linux, seccomp.
    private struct EngineProfile: Encodable {
        struct Syscall: Encodable {
            var names: [String]
            var action: String
            var args: [EngineArgument]
            var errnoRet: Int32?
        }

        var defaultAction: String
        var defaultErrnoRet: Int32
        var architectures: [String]
        var syscalls: [Syscall]
    }
}

extension SeccompPolicy.Condition {
    /// Both kinds are the comparison of libseccomp that looks at chosen bits only.
    fileprivate var argument: SeccompPolicy.EngineArgument {
        switch self {
        case .equals(let argument, let value):
            .init(index: argument, value: 0xFFFF_FFFF, valueTwo: UInt64(value), op: "SCMP_CMP_MASKED_EQ")
        case .bits(let argument, let mask, let value):
            .init(index: argument, value: mask, valueTwo: value, op: "SCMP_CMP_MASKED_EQ")
        }
    }
}
