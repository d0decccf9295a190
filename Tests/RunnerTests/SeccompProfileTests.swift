import Foundation
import Testing

@testable import Runner

@Suite("Seccomp profiles: lint, diff, explain, narrow")
struct SeccompProfileTests {
    private func profile(
        _ syscalls: String, _ rest: String = "\"defaultAction\": \"SCMP_ACT_ERRNO\""
    ) throws
        -> SeccompProfile
    {
        try JSONDecoder().decode(SeccompProfile.self, from: Data("{\(rest), \"syscalls\": [\(syscalls)]}".utf8))
    }

    private func rule(_ call: String, _ args: String = "") -> String {
        "{\"names\": [\"\(call)\"], \"action\": \"SCMP_ACT_ALLOW\", \"args\": [\(args)]}"
    }

    // MARK: lint

    @Test("the standard policy, sent to the Engine and read back, has no findings")
    func standard() throws {
        let text = try SeccompPolicy.standard.engineProfile()
        let read = try JSONDecoder().decode(SeccompProfile.self, from: Data(text.utf8))
        #expect(read == SeccompPolicy.standard.profile)
        #expect(read.lint() == [])
        #expect(SeccompDiff(from: SeccompPolicy.standard.profile, to: read).isEmpty)
    }

    @Test(
        "what is looser is found, with the reason",
        arguments: [
            ("bpf", "", "CVE-2021-3490"), ("clone", "", "namespaces"), ("clone3", "", "CVE-2021-41133"),
            ("ioctl", "{\"index\": 1, \"value\": 21522, \"op\": \"SCMP_CMP_EQ\"}", "types into a terminal"),
            ("socket", "{\"index\": 0, \"value\": 40, \"op\": \"SCMP_CMP_NE\"}", "CVE-2021-26708"),
            (
                "socket",
                "{\"index\": 0, \"value\": 2, \"op\": \"SCMP_CMP_EQ\"}, "
                    + "{\"index\": 1, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"}", "loopback"
            ),
            ("setsockopt", "{\"index\": 1, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"}", "BPF program"),
            ("io_setup", "", "aio-max-nr"),
            // 32 bits of a flag word that need not be all zero.
            (
                "clone", "{\"index\": 0, \"value\": 268435456, \"valueTwo\": 0, \"op\": \"SCMP_CMP_MASKED_EQ\"}",
                "namespaces"
            ),
        ])
    func looser(call: String, args: String, named: String) throws {
        let findings = try profile(rule("read") + "," + rule(call, args)).lint()
        #expect(findings.map(\.code) == [.looser])
        #expect(findings.first?.call == call)
        #expect(findings.first?.message.contains(named) == true, "\(findings)")
    }

    @Test("what is as strict, in other words, is no finding")
    func asStrict() throws {
        let strict = [
            rule("personality", "{\"index\": 0, \"value\": 0, \"op\": \"SCMP_CMP_EQ\"}"),
            rule(
                "socket",
                "{\"index\": 0, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"}, "
                    + "{\"index\": 1, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"}, "
                    + "{\"index\": 2, \"value\": 0, \"op\": \"SCMP_CMP_EQ\"}"),
            rule(
                "setsockopt",
                "{\"index\": 1, \"value\": 1, \"op\": \"SCMP_CMP_EQ\"}, "
                    + "{\"index\": 2, \"value\": 2, \"op\": \"SCMP_CMP_EQ\"}"),
            rule(
                "clone", "{\"index\": 0, \"value\": 4294967295, \"valueTwo\": 17, \"op\": \"SCMP_CMP_MASKED_EQ\"}"),
            // Docker leaves it out, since a sandbox has no capabilities.
            "{\"names\": [\"bpf\"], \"action\": \"SCMP_ACT_ALLOW\", \"includes\": {\"caps\": [\"CAP_BPF\"]}}",
            "{\"names\": [\"ptrace\"], \"action\": \"SCMP_ACT_ALLOW\", \"includes\": {\"arches\": [\"s390x\"]}}",
        ]
        #expect(try profile(strict.joined(separator: ",")).lint() == [])
    }

    @Test("a default that lets through, foreign architectures, unknown words and names are found")
    func others() throws {
        let open = try profile("", "\"defaultAction\": \"SCMP_ACT_ALLOW\"").lint()
        #expect(open.first?.code == .defaultAction)
        #expect(open.contains { $0.code == .looser && $0.call == "io_uring_setup" })
        let native = SeccompProfile.nativeArchitecture
        let map = "[{\"architecture\": \"\(native)\", \"subArchitectures\": [\"SCMP_ARCH_X86\"]}]"
        let foreign = try profile("", "\"defaultAction\": \"SCMP_ACT_KILL_PROCESS\", \"archMap\": \(map)").lint()
        #expect(foreign.map(\.code) == [.architecture])
        let words = try profile(
            "{\"names\": [\"reed\"], \"action\": \"SCMP_ACT_PERMIT\"}", "\"defaultAction\": \"SCMP_ACT_ERRNO\""
        ).lint()
        #expect(words.map(\.code) == [.unknownAction, .unknownCall])
        #expect(words.last?.message.contains("read") == true)
    }

    // MARK: diff

    @Test("calls that are added, removed and conditioned are told apart")
    func diff() throws {
        let old = try profile([rule("read"), rule("write"), rule("clone")].joined(separator: ","))
        let new = try profile(
            [rule("read"), rule("bpf"), rule("clone", "{\"index\": 0, \"value\": 0, \"op\": \"SCMP_CMP_EQ\"}")]
                .joined(separator: ","))
        let diff = SeccompDiff(from: old, to: new)
        #expect(diff.added.map(\.call) == ["bpf"])
        #expect(diff.removed.map(\.call) == ["write"])
        #expect(diff.conditioned.map(\.call) == ["clone"])
    }

    // MARK: explain

    @Test("a call is explained by name and by number")
    func explain() throws {
        let clone3 = try #require(SeccompExplanation(of: "clone3"))
        #expect(clone3.verdict == .refused && clone3.errno == "ENOSYS")
        #expect(clone3.answers == ["CVE-2021-41133"])
        let number = try #require(SyscallTable.number(of: "ptrace"))
        #expect(SeccompExplanation(of: "\(number)")?.call == "ptrace")
        let read = try #require(SeccompExplanation(of: "read"))
        #expect(read.verdict == .allowed && read.group == "files" && read.conditions.isEmpty)
        let socket = try #require(SeccompExplanation(of: "socket"))
        #expect(socket.verdict == .conditional && socket.conditions.count == 11)
        #expect(socket.conditions.contains { $0.contains("unix stream") })
        #expect(SeccompExplanation(of: "no_such_call") == nil)
        #expect(SeccompExplanation.namesLike("clon") == ["clone", "clone3"])
    }

    // MARK: gVisor

    @Test("only gVisor is sent clone3, and nothing else differs")
    func gvisor() throws {
        let standard = SeccompPolicy.standard
        #expect(standard.adapted(to: .engineDefault) == standard)
        #expect(standard.adapted(to: SandboxRuntime(name: "crun", path: "/usr/bin/crun")) == standard)
        let runsc = SandboxRuntime(name: "sandboxed", path: "/usr/bin/runsc")
        let diff = SeccompDiff(from: standard.profile, to: standard.adapted(to: runsc).profile)
        #expect(diff.added.map(\.call) == ["clone3"])
        #expect(diff.removed.isEmpty && diff.conditioned.isEmpty)
    }

    // MARK: narrow

    @Test("a narrowed policy is within the standard one, keeps its conditions, and holds what the init needs")
    func narrowed() throws {
        let policy = try SeccompPolicy.narrowed(to: .init(allow: ["socket", "symlink"]))
        #expect(policy.profile.lint() == [])
        #expect(policy.profile.verdict(on: "socket") == SeccompPolicy.standard.profile.verdict(on: "socket"))
        #expect(policy.profile.verdict(on: "symlink") == .allowed)
        #expect(policy.profile.verdict(on: "unlink") == .refused("EPERM"))
        #expect(policy.profile.verdict(on: "clone3") == .refused("ENOSYS"))
        for call in ["execve", "exit_group", "wait4", "kill", "futex"] {
            #expect(policy.allowedCalls.contains(call), "\(call)")
        }
        #expect(!policy.allowedCalls.contains("accept4"))
        let egress = try SeccompPolicy.narrowed(to: .init(allow: []), withForwarder: true)
        #expect(egress.allowedCalls.contains("accept4"))
    }

    @Test(
        "a manifest whose profile is looser, or names what is no call, is refused with the reason",
        arguments: [
            ("[read, ptrace]", "ptrace is refused by the standard policy (reaches into other processes"),
            ("[reed]", "did you mean read"), ("[\"0\"]", "0 is no system call"),
        ])
    func manifest(allow: String, named: String) {
        let error = #expect(throws: Manifest.Invalid.self) {
            try Manifest(yaml: "name: a\nseccomp: {allow: \(allow)}")
        }
        #expect(error?.description.contains("seccomp.allow") == true)
        #expect(error?.description.contains(named) == true, "\(error?.description ?? "")")
    }

    @Test("a manifest's profile is read")
    func manifestProfile() throws {
        let manifest = try Manifest(yaml: "name: a\nseccomp: {allow: [read, write]}")
        #expect(manifest.seccomp == SeccompRequest(allow: ["read", "write"]))
        let error = #expect(throws: Manifest.Invalid.self) { try Manifest(yaml: "name: a\nseccomp: {deny: [read]}") }
        #expect(error?.description.contains("seccomp.deny: unknown key") == true)
    }
}
