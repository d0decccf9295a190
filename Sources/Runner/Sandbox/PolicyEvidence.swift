/// What a sandbox was to hold, and what its kernel said before launch that it holds.
///
/// By the kernel's own names, such as `CapEff`, `memory.max` or `mount /tmp`. After a mismatch it ends with the promise
/// that did not hold.
public struct PolicyEvidence: Sendable, Equatable, Codable {
    /// As the policy has it. The profile of system calls is asked for and not held: the kernel tells that there is a
    /// filter, and not which.
    public internal(set) var asked: [String: String] = [:]
    /// What the kernel does not report has no entry.
    public internal(set) var held: [String: String] = [:]

    init() {}
}
