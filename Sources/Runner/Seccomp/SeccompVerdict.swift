/// What a profile does with one call.
public enum SeccompVerdict: Sendable, Equatable {
    case allowed
    /// When every comparison of one of these lists holds.
    case conditional(Set<[SeccompProfile.Comparison]>)
    /// What the caller gets, such as `EPERM`.
    case refused(String)

    /// For people.
    public var words: String {
        switch self {
        case .allowed: "allowed"
        case .conditional(let lists): lists.count == 1 ? "on 1 condition" : "on \(lists.count) conditions"
        case .refused(let how): "refused with \(how)"
        }
    }

    /// Whether everything that this lets through, the other does too.
    func isWithin(_ other: SeccompVerdict) -> Bool {
        switch (self, other) {
        case (.refused, _), (_, .allowed): true
        case (.conditional(let ours), .conditional(let theirs)):
            ours.allSatisfy { list in
                theirs.contains { wanted in
                    wanted.allSatisfy { comparison in list.contains { $0.implies(comparison) } }
                }
            }
        case (.allowed, .conditional), (.allowed, .refused), (.conditional, .refused): false
        }
    }
}

extension SeccompProfile {
    static let permittingActions: Set<String> = ["SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE"]
    static let refusingActions: Set<String> = [
        "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP",
    ]

    /// What the profile does with a call.
    ///
    /// A rule that refuses on conditions counts for nothing: what it leaves is taken for allowed.
    public func verdict(on call: String) -> SeccompVerdict {
        let rules = self.rules.filter { $0.names.contains(call) }
        let permitting = rules.filter { Self.permittingActions.contains($0.action) }
        if permitting.contains(where: { ($0.args ?? []).isEmpty }) { return .allowed }
        if !permitting.isEmpty { return .conditional(Set(permitting.map { ($0.args ?? []).map(\.canonical) })) }
        let refusing = rules.first { !Self.permittingActions.contains($0.action) && ($0.args ?? []).isEmpty }
        if let refusing { return .refused(Self.words(refusing.action, refusing.errnoRet)) }
        if Self.permittingActions.contains(defaultAction) { return .allowed }
        return .refused(Self.words(defaultAction, defaultErrnoRet))
    }

    private static func words(_ action: String, _ errno: Int32?) -> String {
        action == "SCMP_ACT_ERRNO" ? Errno.name(errno ?? 1) : "SIGSYS"
    }
}

extension SeccompProfile.Comparison {
    /// Equalities in one form.
    var canonical: Self {
        switch op {
        case "SCMP_CMP_EQ": .init(index: index, value: .max, valueTwo: value, op: "SCMP_CMP_MASKED_EQ")
        case "SCMP_CMP_MASKED_EQ": .init(index: index, value: value, valueTwo: value & (valueTwo ?? 0), op: op)
        default: .init(index: index, value: value, valueTwo: 0, op: op)
        }
    }

    /// Whether the other holds whenever this one does; both canonical. False where that cannot be told.
    fileprivate func implies(_ other: Self) -> Bool {
        if self == other { return true }
        guard op == "SCMP_CMP_MASKED_EQ", other.op == op, index == other.index else { return false }
        return value & other.value == other.value && (valueTwo ?? 0) & other.value == other.valueTwo
    }
}
