/// One thing that `paddock seccomp lint` has to say about a profile.
public struct SeccompFinding: Sendable, Encodable, Equatable {
    public enum Code: String, Sendable, Encodable {
        case defaultAction = "default_action"
        case architecture, looser
        case unknownAction = "unknown_action"
        case unknownCall = "unknown_call"
    }

    public let code: Code
    /// The system call, where it is about one.
    public let call: String?
    public let message: String

    static func unknown(_ call: String) -> SeccompFinding {
        let near = SeccompExplanation.namesLike(call)
        let hint = near.isEmpty ? "" : "; did you mean \(near.joined(separator: ", "))?"
        return .init(
            code: .unknownCall, call: call,
            message: "\(call) is no system call that libseccomp \(CompiledSeccomp.libraryVersion) knows\(hint)")
    }
}

extension SeccompProfile {
    /// What is looser in this profile than in the standard policy, and what no runtime would understand.
    public func lint() -> [SeccompFinding] {
        lintDefault() + lintArchitectures() + lintActions() + lintNames() + lintCalls()
    }

    private func lintDefault() -> [SeccompFinding] {
        let refuses = defaultAction == "SCMP_ACT_ERRNO" || defaultAction.hasPrefix("SCMP_ACT_KILL")
        if refuses { return [] }
        return [
            .init(
                code: .defaultAction, call: nil,
                message: "the default action is \(defaultAction): what is not named must be refused, "
                    + "by SCMP_ACT_ERRNO or SCMP_ACT_KILL_PROCESS")
        ]
    }

    /// A call by another architecture's number means another call, which no rule was written for.
    private func lintArchitectures() -> [SeccompFinding] {
        let native = Self.nativeArchitecture
        let mapped = (archMap ?? []).filter { $0.architecture == native }.flatMap { $0.subArchitectures ?? [] }
        return ((architectures ?? []) + mapped).filter { $0 != native }.map {
            .init(
                code: .architecture, call: nil,
                message: "\($0) is let in beside \(native): its calls have other numbers and older code behind them")
        }
    }

    private func lintActions() -> [SeccompFinding] {
        let known = Self.permittingActions.union(Self.refusingActions)
        return Set([defaultAction] + rules.map(\.action)).subtracting(known).sorted().map {
            .init(code: .unknownAction, call: nil, message: "\($0) is no action that a runtime knows")
        }
    }

    private func lintNames() -> [SeccompFinding] {
        let ours = SeccompPolicy.standard.knownCalls
        return Set(rules.flatMap(\.names)).subtracting(ours).sorted()
            .filter { SyscallTable.number(of: $0) == nil }.map { .unknown($0) }
    }

    private func lintCalls() -> [SeccompFinding] {
        let standard = SeccompPolicy.standard.profile
        return SyscallTable.all.sorted().compactMap { call in
            let ours = standard.verdict(on: call)
            let theirs = verdict(on: call)
            guard !theirs.isWithin(ours), let explanation = SeccompExplanation(of: call) else { return nil }
            let answers = explanation.answers.isEmpty ? "" : " (\(explanation.answers.joined(separator: ", ")))"
            return .init(
                code: .looser, call: call,
                message:
                    "\(call) is \(theirs.words), in the standard policy \(ours.words): \(explanation.reason)\(answers)")
        }
    }
}
