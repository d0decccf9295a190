import CSeccomp
import Glibc

/// A policy as libseccomp compiles it for this machine's architecture. Nothing is loaded into this process.
public struct CompiledSeccomp: Sendable {
    /// struct sock_filter, one after another; seccomp(2).
    public let bpf: [UInt8]
    /// libseccomp's own words for it.
    public let pseudoCode: String
    /// Calls of the policy that this libseccomp does not know: the filter refuses them by default.
    public let unknownCalls: [String]

    /// - Throws: ``Failure`` when libseccomp refuses a rule.
    public init(_ policy: SeccompPolicy) throws {
        let filter = try Filter(refusingWith: EPERM)
        var unknown: [String] = []
        for rule in policy.groups.flatMap(\.rules) {
            for call in rule.calls
            where try SyscallTable.mayExist(call) && !filter.add(call, action: SCMP_ACT_ALLOW, rule.conditions) {
                unknown.append(call)
            }
        }
        for refusal in policy.refusals {
            // A rule that says what the default says is an error to libseccomp.
            guard let errno = refusal.errno, errno != EPERM else { continue }
            let action = paddock_seccomp_errno(UInt16(errno))
            for call in refusal.calls where try !filter.add(call, action: action, []) { unknown.append(call) }
        }
        bpf = try filter.export("filter", seccomp_export_bpf)
        pseudoCode = String(decoding: try filter.export("pseudo-code", seccomp_export_pfc), as: UTF8.self)
        unknownCalls = Set(unknown).sorted()
    }

    /// What libseccomp could not do.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// The library's version, such as `2.5.4`.
    public static var libraryVersion: String {
        guard let version = seccomp_version()?.pointee else { return "unknown" }
        return "\(version.major).\(version.minor).\(version.micro)"
    }
}

/// The system calls of this machine's architecture, as libseccomp knows them.
public enum SyscallTable {
    /// nil when this libseccomp does not know the name; below 0 for a call of other architectures only.
    public static func number(of name: String) -> Int? {
        let number = seccomp_syscall_resolve_name(name)
        return number == __NR_SCMP_ERROR ? nil : Int(number)
    }

    public static func name(of number: Int) -> String? {
        guard let number = Int32(exactly: number),
            let text = seccomp_syscall_resolve_num_arch(seccomp_arch_native(), number)
        else { return nil }
        defer { free(text) }
        return String(cString: text)
    }

    /// False for a call that only other architectures have: a rule for it would never be met.
    static func mayExist(_ name: String) -> Bool { number(of: name).map { $0 >= 0 } ?? true }

    /// Every call that this architecture has.
    static let all: [String] = (0..<1024).compactMap { name(of: $0) }
}

/// One context of libseccomp.
private final class Filter {
    private let context: scmp_filter_ctx

    init(refusingWith errno: CInt) throws {
        guard let context = seccomp_init(paddock_seccomp_errno(UInt16(errno))) else {
            throw CompiledSeccomp.Failure(description: "libseccomp makes no filter: out of memory")
        }
        self.context = context
    }

    deinit { seccomp_release(context) }

    /// - Returns: false for a call that this libseccomp does not know.
    func add(_ call: String, action: UInt32, _ conditions: [SeccompPolicy.Condition]) throws -> Bool {
        guard let number = SyscallTable.number(of: call) else { return false }
        let comparisons = conditions.map { paddock_seccomp_masked(UInt32($0.argument), $0.mask, $0.value) }
        let result = seccomp_rule_add_array(
            context, action, CInt(number), UInt32(comparisons.count), comparisons)
        guard result == 0 else {
            throw CompiledSeccomp.Failure(
                description: "libseccomp refuses a rule for \(call): \(Errno.message(-result))")
        }
        return true
    }

    /// libseccomp writes to a descriptor only.
    func export(_ what: String, _ write: (scmp_filter_ctx?, CInt) -> CInt) throws -> [UInt8] {
        let file = paddock_memory_file("paddock-seccomp")
        guard file >= 0 else {
            throw CompiledSeccomp.Failure(description: "no memory file for the \(what): \(Errno.last)")
        }
        defer { close(file) }
        let result = write(context, file)
        let size = lseek(file, 0, SEEK_END)
        guard result == 0, size >= 0 else {
            throw CompiledSeccomp.Failure(description: "libseccomp exports no \(what): \(Errno.message(-result))")
        }
        var bytes = [UInt8](repeating: 0, count: Int(size))
        guard pread(file, &bytes, bytes.count, 0) == bytes.count else {
            throw CompiledSeccomp.Failure(description: "the \(what) cannot be read back: \(Errno.last)")
        }
        return bytes
    }
}
