import Foundation
import Testing

@testable import Runner

@Suite("The seccomp policy")
struct SeccompTests {
    private let policy = SeccompPolicy.standard

    @Test("no call is both allowed and refused, and none is named twice without conditions")
    func disjoint() {
        let rules = policy.groups.flatMap(\.rules)
        let always = rules.filter { $0.conditions.isEmpty }.flatMap(\.calls)
        let conditional = Set(rules.filter { !$0.conditions.isEmpty }.flatMap(\.calls))
        let refused = policy.refusals.flatMap(\.calls)
        #expect(Set(always).count == always.count)
        #expect(Set(refused).count == refused.count)
        #expect(Set(always).isDisjoint(with: refused))
        #expect(Set(always).isDisjoint(with: conditional))
        #expect(conditional.isDisjoint(with: refused))
    }

    @Test("every group and refusal gives its reason")
    func reasons() {
        #expect(policy.groups.allSatisfy { !$0.reason.isEmpty && !$0.rules.isEmpty })
        #expect(policy.refusals.allSatisfy { !$0.reason.isEmpty && !$0.calls.isEmpty })
        let answers = policy.groups.flatMap(\.answers) + policy.refusals.flatMap(\.answers)
        #expect(answers.allSatisfy { $0.wholeMatch(of: /CVE-(19|20)\d\d-\d{4,}/) != nil })
    }

    @Test("every name is one of this libseccomp's, or newer than it")
    func names() throws {
        let unknown = policy.knownCalls.filter { SyscallTable.number(of: $0) == nil }
        let newer = [
            "mseal", "cachestat", "map_shadow_stack", "futex_wait", "futex_wake", "futex_requeue", "fchmodat2",
            "statmount", "listmount", "open_tree_attr", "set_mempolicy_home_node",
        ]
        #expect(unknown.subtracting(newer).isEmpty)
        #expect(try Set(CompiledSeccomp(policy).unknownCalls) == unknown.intersection(policy.allowedCalls))
    }

    @Test("a name that libseccomp does not know is reported, and the rest is compiled")
    func unknownName() throws {
        let rules = [SeccompPolicy.Rule(calls: ["read", "no_such_call"])]
        let compiled = try CompiledSeccomp(
            SeccompPolicy(groups: [.init(name: "x", reason: "x", rules: rules)], refusals: []))
        #expect(compiled.unknownCalls == ["no_such_call"])
        #expect(compiled.pseudoCode.contains("\"read\""))
        #expect(compiled.bpf.count % 8 == 0 && !compiled.bpf.isEmpty)
    }

    @Test("a rule that libseccomp refuses is an error that names the call")
    func refusedRule() {
        // Two comparisons of one argument.
        let conditions: [SeccompPolicy.Condition] = [.equals(argument: 0, 1), .bits(argument: 0, mask: 8, value: 0)]
        let policy = SeccompPolicy(
            groups: [.init(name: "x", reason: "x", rules: [.init(calls: ["read"], conditions: conditions)])],
            refusals: [])
        let error = #expect(throws: CompiledSeccomp.Failure.self) { try CompiledSeccomp(policy) }
        #expect(error?.description.contains("read") == true)
    }

    @Test("the Engine's JSON refuses by default and compares only the bits that the kernel reads")
    func engineProfile() throws {
        let json = try JSONValue(parsing: Array(policy.engineProfile().utf8))
        #expect(json["defaultAction"] == .string("SCMP_ACT_ERRNO"))
        guard case .array(let syscalls) = json["syscalls"], case .array(let architectures) = json["architectures"]
        else {
            Issue.record("no syscalls or architectures")
            return
        }
        #expect(architectures.count == 1)
        let ioctls = syscalls.filter { $0["names"] == .array([.string("ioctl")]) }
        #expect(!ioctls.isEmpty)
        for rule in ioctls {
            guard case .array(let arguments) = rule["args"], let argument = arguments.first else {
                Issue.record("an ioctl without condition")
                continue
            }
            #expect(argument["op"] == .string("SCMP_CMP_MASKED_EQ"))
            #expect(argument["value"] == .integer(0xFFFF_FFFF))
            #expect(argument["valueTwo"] != .integer(0x5412))
        }
        let clone3 = syscalls.first { $0["names"] == .array([.string("clone3")]) }
        #expect(clone3?["errnoRet"] == .integer(38))
    }
}
