import Foundation
import Runner
import Testing

/// The policy in its three forms — what libseccomp compiles, what the Engine is sent, and what a sandbox's kernel
/// holds — decides the same for every call.
@Suite("The seccomp filter")
struct SeccompFilterTests {
    /// A call's number and its first three arguments, on which every condition is.
    struct Call: Encodable {
        let number: Int
        let arguments: [UInt64]

        func encode(to encoder: any Encoder) throws {
            var container = encoder.unkeyedContainer()
            try container.encode(number)
            for argument in arguments { try container.encode(argument) }
        }
    }

    /// uretprobe and uprobe of x86-64: the kernel's own trampolines make them, past every filter, and anybody else who
    /// does gets SIGILL.
    private static let pastEveryFilter = [335, 336]

    /// Every number with plain arguments, and for each condition what meets it and what misses it by one bit.
    static let calls: [Call] = {
        var calls = (0..<512).filter { !pastEveryFilter.contains($0) }.flatMap { number in
            [[0, 0, 0], [.max, .max, .max]].map { Call(number: number, arguments: $0) }
        }
        for rule in SeccompPolicy.standard.groups.flatMap(\.rules) where !rule.conditions.isEmpty {
            var wanted: [UInt64] = [0, 0, 0]
            for condition in rule.conditions { wanted[condition.argument] = condition.value }
            var variants = [wanted]
            for argument in 0...2 {
                for bit in 0..<64 {
                    var changed = wanted
                    changed[argument] ^= 1 << bit
                    variants.append(changed)
                }
            }
            for name in rule.calls {
                guard let number = SyscallTable.number(of: name), number >= 0 else { continue }
                calls += variants.map { Call(number: number, arguments: $0) }
            }
        }
        return calls
    }()

    /// What the Engine's JSON says, by the rules of the OCI specification.
    private func decide(_ profile: SeccompProfile, _ call: Call) -> BPF.Decision {
        let name = SyscallTable.name(of: call.number)
        let rules = (profile.syscalls ?? []).filter { rule in
            guard let name, rule.names.contains(name) else { return false }
            return (rule.args ?? []).allSatisfy { call.arguments[$0.index] & $0.value == $0.valueTwo }
        }
        if rules.contains(where: { $0.action == "SCMP_ACT_ALLOW" }) { return .allow }
        return .errno(Int(rules.first?.errnoRet ?? profile.defaultErrnoRet ?? 0))
    }

    @Test("what libseccomp compiles decides as what the Engine is sent")
    func compiled() throws {
        let policy = SeccompPolicy.standard
        let filter = BPF(try CompiledSeccomp(policy).bpf)
        let profile = policy.profile
        let disagreements = try Self.calls.filter { call in
            try filter.decide(call.number, call.arguments) != decide(profile, call)
        }
        #expect(disagreements.isEmpty)
        let allowed = try Self.calls.filter { try filter.decide($0.number, $0.arguments) == .allow }
        #expect(allowed.count > 300 && allowed.count < Self.calls.count - 300)
    }

    @Test("calls of another architecture, and by x32's numbers, end the process")
    func architectures() throws {
        let filter = BPF(try CompiledSeccomp(.standard).bpf)
        #expect(try filter.decide(20, [], architecture: 0x4000_0003) == .other(0))
        #if arch(x86_64)
            #expect(try filter.decide(0x4000_0000 | 39, []) == .other(0))
        #endif
    }

    /// Installs a second filter that hands marked calls to a tracer that is not there. The kernel then answers ENOSYS
    /// without doing anything, unless the sandbox's own filter refuses first: so every call can be tried, whatever it
    /// would do.
    private static let script = """
        import ctypes, json, struct, sys
        libc = ctypes.CDLL(None, use_errno=True)
        libc.syscall.restype = ctypes.c_long
        libc.syscall.argtypes = [ctypes.c_ulong] * 7
        calls, mark = json.load(sys.stdin), 0x50414444
        program = b"".join(struct.pack("HBBI", *line) for line in [
            (0x20, 0, 0, 16 + 5 * 8), (0x15, 0, 1, mark), (0x06, 0, 0, 0x7FF00000), (0x06, 0, 0, 0x7FFF0000)])
        buffer = ctypes.create_string_buffer(program)
        header = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 4, ctypes.addressof(buffer)))
        assert libc.syscall(317, 1, 0, ctypes.addressof(header), 0, 0, 0) == 0
        errnos = []
        for number, first, second, third in calls:
            ctypes.set_errno(0)
            assert libc.syscall(number, first, second, third, 0, 0, mark) == -1, number
            errnos.append(ctypes.get_errno())
        json.dump(errnos, open("/run/paddock/output.json", "w"))
        """

    @Test("a sandbox's own kernel decides as what libseccomp compiles")
    func enforced() async throws {
        let filter = BPF(try CompiledSeccomp(.standard).bpf)
        let input = try JSONEncoder().encode(Self.calls)
        let document = try await Fixture.withState { state in
            let program = try Program.paddock(
                ["run", "-q", "--json", "--input", "-", Fixture.python, "--", "python3", "-c", Self.script],
                input: input, environment: state)
            #expect(try await program.exitCode() == 0, "\(program.stderr)\(program.stdout)")
            return try Fixture.document(program.stdout)
        }
        let errnos = try #require(document["output"] as? [Int])
        #expect(errnos.count == Self.calls.count)
        for (call, errno) in zip(Self.calls, errnos) {
            let decision = try filter.decide(call.number, call.arguments)
            // runc answers ENOSYS for calls that are newer than all that the profile names.
            let isRight =
                decision == .allow ? errno == 38 : decision == .errno(errno) || (call.number > 440 && errno == 38)
            #expect(isRight, "\(call.number) \(call.arguments): \(decision), and the sandbox says \(errno)")
        }
    }
}
