import Foundation

/// A seccomp profile as the Engine and the OCI runtimes take it.
/// Source: the OCI runtime specification, config-linux, seccomp; and what Docker's own files add to it.
public struct SeccompProfile: Codable, Sendable, Equatable {
    public struct Comparison: Codable, Sendable, Hashable {
        public var index: Int
        public var value: UInt64
        /// The wanted bits, where `value` is the mask of `SCMP_CMP_MASKED_EQ`.
        public var valueTwo: UInt64?
        public var op: String
    }

    public struct Syscall: Codable, Sendable, Equatable {
        public var names: [String]
        public var action: String
        public var args: [Comparison]?
        public var errnoRet: Int32?
        public var includes: Filter?
        public var excludes: Filter?
    }

    /// When Docker takes a rule into account.
    public struct Filter: Codable, Sendable, Equatable {
        public var caps: [String]?
        public var arches: [String]?
    }

    /// Docker's short form of `architectures`.
    public struct ArchitectureMap: Codable, Sendable, Equatable {
        public var architecture: String
        public var subArchitectures: [String]?
    }

    public var defaultAction: String
    public var defaultErrnoRet: Int32?
    public var architectures: [String]?
    public var archMap: [ArchitectureMap]?
    public var syscalls: [Syscall]?

    /// Native only: calls by another architecture's numbers end the process.
    static var nativeArchitecture: String {
        #if arch(arm64)
            "SCMP_ARCH_AARCH64"
        #else
            "SCMP_ARCH_X86_64"
        #endif
    }

    /// The word that Docker has for it in `arches`.
    private static var nativeArch: String {
        #if arch(arm64)
            "arm64"
        #else
            "amd64"
        #endif
    }

    /// The rules that count in a sandbox, which has no capabilities.
    var rules: [Syscall] {
        (syscalls ?? []).filter { rule in
            let needsCapability = !(rule.includes?.caps ?? []).isEmpty
            let isElsewhere = rule.includes?.arches.map { !$0.isEmpty && !$0.contains(Self.nativeArch) } ?? false
            let isLeftOut = rule.excludes?.arches?.contains(Self.nativeArch) ?? false
            return !needsCapability && !isElsewhere && !isLeftOut
        }
    }

    func serialized() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}
