import Testing

@testable import Runner

@Suite("What the doctor concludes from a probe and its control")
struct FindingTests {
    private static let host = SandboxRuntime(name: "runc", path: "/usr/bin/runc")
    private static let gvisor = SandboxRuntime(name: "runsc", path: "/usr/bin/runsc")
    private static let plain = Probe("p", "tries", .seccomp, off: [.noSeccomp])
    private static let excused = Probe("p", "tries", .seccomp, off: [.noSeccomp], harmlessUnderGVisor: "because")

    private func verdict(
        _ fence: Finding.Outcome, _ control: Finding.Outcome, probe: Probe = plain, runtime: SandboxRuntime = host,
        said: String = ""
    ) -> Finding.Verdict {
        Finding(
            probe, runtime: runtime, fence: .init(outcome: fence, said: said),
            control: .init(outcome: control, said: "")
        ).verdict
    }

    @Test(
        "only what is held inside and through outside is proven",
        arguments: [
            (.held, .through, .proven), (.held, .held, .unproven), (.held, .unknown, .unproven),
            (.held, .silent, .unproven), (.unknown, .through, .unproven), (.through, .through, .broken),
            (.through, .held, .broken), (.silent, .through, .broken),
        ] as [(Finding.Outcome, Finding.Outcome, Finding.Verdict)])
    func verdicts(fence: Finding.Outcome, control: Finding.Outcome, expected: Finding.Verdict) {
        #expect(verdict(fence, control) == expected)
    }

    @Test("what gVisor lets through by its nature is excused there, and nowhere else")
    func excuse() {
        #expect(verdict(.through, .through, probe: Self.excused, runtime: Self.gvisor) == .harmless)
        #expect(verdict(.silent, .through, probe: Self.excused, runtime: Self.gvisor) == .harmless)
        #expect(verdict(.held, .through, probe: Self.excused, runtime: Self.gvisor) == .proven)
        #expect(verdict(.through, .through, probe: Self.excused) == .broken)
        #expect(verdict(.through, .through, runtime: Self.gvisor) == .broken)
    }

    @Test("what gVisor's kernel does not have is held there")
    func absence() {
        #expect(verdict(.unknown, .through, runtime: Self.gvisor, said: "/proc/keys: ENOENT") == .proven)
        #expect(verdict(.unknown, .through, runtime: Self.gvisor, said: "no answer in time") == .unproven)
        #expect(verdict(.unknown, .through, said: "/proc/keys: ENOENT") == .unproven)
    }

    @Test("every probe has a name of its own and a control")
    func table() {
        let names = Doctor.probes.map(\.name)
        #expect(Set(names).count == names.count)
        #expect(names.count >= 45)
        for probe in Doctor.probes {
            if case .ending = probe.judgement { continue }
            // The image sets what this one looks for; a plain container hands it on.
            #expect(!probe.control.isEmpty || probe.name == "loader-environment", "\(probe.name)")
        }
    }
}
