/// A stricter profile, as an agent.yaml names it.
public struct SeccompRequest: Sendable, Codable, Equatable {
    /// The calls that are left of the standard policy.
    public var allow: [String]

    /// What is no call of the standard policy's.
    public func lint() -> [SeccompFinding] {
        Set(allow).subtracting(SeccompPolicy.standard.allowedCalls).sorted().map { call in
            guard let explanation = SeccompExplanation(of: call), explanation.call == call else {
                return .unknown(call)
            }
            return .init(
                code: .looser, call: call,
                message: "\(call) is refused by the standard policy (\(explanation.reason)), "
                    + "and a profile may only be stricter")
        }
    }
}

extension SeccompPolicy {
    /// A profile that is not stricter than the standard one.
    public struct Looser: Error, CustomStringConvertible {
        let objections: [SeccompFinding]

        public var description: String {
            let first = objections.prefix(5).map(\.message).joined(separator: "; ")
            let rest = objections.count > 5 ? "; and \(objections.count - 5) more" : ""
            return "allow: \(first)\(rest)"
        }
    }

    /// The standard policy with only these calls left, each on the conditions that it has there, and what runs under
    /// the filter beside the agent: runc's last steps, the init, and the forwarder where there is one.
    /// - Throws: ``Looser`` for a name that the standard policy does not allow.
    public static func narrowed(to request: SeccompRequest, withForwarder: Bool = false) throws -> SeccompPolicy {
        let objections = request.lint()
        guard objections.isEmpty else { throw Looser(objections: objections) }
        let ours = runtimeNeeds.union(initNeeds).union(vdsoCalls).union(withForwarder ? forwarderNeeds : [])
        let kept = ours.union(request.allow)
        let groups = standard.groups.compactMap { group in
            let rules = group.rules.compactMap { rule in
                let calls = rule.calls.filter { kept.contains($0) }
                return calls.isEmpty ? nil : Rule(calls: calls, conditions: rule.conditions, meaning: rule.meaning)
            }
            return rules.isEmpty
                ? nil : Group(name: group.name, reason: group.reason, answers: group.answers, rules: rules)
        }
        return SeccompPolicy(groups: groups, refusals: standard.refusals)
    }

    /// What runc calls between loading the filter and its exec, and what Go's runtime may call at any time.
    /// Measured with strace on runc 1.1.5; the rest from Go's sources for Linux.
    private static let runtimeNeeds: Set<String> = [
        "clone", "close", "epoll_ctl", "epoll_pwait", "execve", "exit_group", "fcntl", "fstatfs", "futex", "getdents64",
        "getpid", "gettid", "madvise", "mmap", "munmap", "nanosleep", "newfstatat", "openat", "prctl", "read",
        "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sched_yield", "sigaltstack", "tgkill", "write",
    ]

    /// What the init calls, from its start to the exec of the agent and to its trailer. Measured with strace over all of
    /// its tests; where arm64 has another call for one, that too.
    private static let initNeeds: Set<String> = [
        "arch_prctl", "chdir", "clone", "close", "close_range", "dup2", "dup3", "execve", "exit_group", "fcntl", "fork",
        "fstat", "getpid", "getrusage", "gettid", "ioctl", "kill", "madvise", "mkdir", "mkdirat", "nanosleep", "open",
        "openat", "pipe2", "poll", "ppoll", "prctl", "read", "restart_syscall", "rt_sigaction", "rt_sigprocmask",
        "rt_sigreturn", "sched_getaffinity", "set_robust_list", "set_tid_address", "setsid", "signalfd4", "statfs",
        "wait4", "write", "writev",
    ]

    /// What vdso(7) answers without the kernel, and on some hosts and in gVisor does not. No trace shows them where it
    /// does, so a profile made from one would break elsewhere.
    private static let vdsoCalls: Set<String> = ["clock_getres", "clock_gettime", "getcpu", "gettimeofday", "time"]

    /// What the forwarder adds, which the init forks for an agent with egress.
    private static let forwarderNeeds: Set<String> = [
        "accept4", "bind", "connect", "listen", "prlimit64", "recvfrom", "sendto", "setsockopt", "shutdown", "socket",
    ]
}
