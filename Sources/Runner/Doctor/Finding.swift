/// What one probe showed.
public struct Finding: Sendable, Encodable {
    /// What one attempt came to.
    public enum Outcome: String, Sendable, Encodable {
        case held, through, unknown
        /// The probe came to no verdict, because its sandbox ended or never began.
        case silent
    }

    public enum Verdict: String, Sendable, Encodable {
        /// Held inside, and through with the defence off.
        case proven
        /// Held inside, but the control could not show that the probe can succeed on this host.
        case unproven
        /// A promise does not hold.
        case broken
        /// Through, where that is known and does no harm.
        case harmless
    }

    public struct Attempt: Sendable, Encodable {
        public let outcome: Outcome
        /// The probe's own words.
        public let said: String
    }

    public let probe: String
    /// Continues “it …”.
    public let tries: String
    public let defence: Defence
    public let runtime: String
    public let fence: Attempt
    public let control: Attempt
    public let verdict: Verdict
    /// Why, and what to do; nil when all is well.
    public let advice: String?

    init(_ probe: Probe, runtime: SandboxRuntime, fence: Attempt, control: Attempt) {
        self.probe = probe.name
        tries = probe.tries
        defence = probe.defence
        self.runtime = runtime.name ?? "default"
        self.fence = fence
        self.control = control
        let excuse = runtime.kernel == .gvisor && fence.outcome != .held ? probe.harmlessUnderGVisor : nil
        switch (fence.outcome, control.outcome) {
        case (_, _) where excuse != nil:
            verdict = .harmless
            advice = excuse
        case (.through, _):
            verdict = .broken
            advice = "\(probe.defence.rawValue): \(probe.defence.whatToDo)"
        case (.held, .through):
            verdict = .proven
            advice = nil
        // What a kernel does not have, nobody gets through.
        case (.unknown, .through) where runtime.kernel == .gvisor && fence.isAbsence:
            verdict = .proven
            advice = nil
        case (.silent, _):
            verdict = .broken
            advice = "the sandbox did not last: \(fence.said)"
        case (.unknown, _):
            verdict = .unproven
            advice = "the probe came to no verdict inside: \(fence.said)"
        case (.held, _):
            verdict = .unproven
            advice = "the control did not get through either, so this host cannot show the difference: \(control.said)"
        }
    }
}

extension Finding.Attempt {
    /// The kernel inside lacks what the probe goes for.
    fileprivate var isAbsence: Bool {
        ["ENOENT", "ENOSYS", "no cgroup file system", "has no CapAmb"].contains { said.contains($0) }
    }
}
