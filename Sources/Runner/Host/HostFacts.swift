import DockerAPI
import NIOConcurrencyHelpers

/// What a runner knows and need not find out again.
final class HostFacts: Sendable {
    private struct ProfileKey: Hashable {
        let allow: [String]?
        let hasForwarder: Bool
        let isRecorded: Bool
        let kernel: SandboxRuntime.Kernel
    }

    private struct State {
        var images: [String: AgentImage] = [:]
        var profiles: [ProfileKey: String] = [:]
        /// Containers that this process looks after and the database need not know.
        var lookedAfter: Set<String> = []
    }

    private let state = NIOLockedValueBox(State())
    /// Of each table: beyond it, it is begun anew.
    private static let limit = 256

    // MARK: Images

    /// - Parameter reference: one that means the same image for ever: with a digest, or an id.
    func image(_ reference: String) -> AgentImage? { state.withLockedValue { $0.images[reference] } }

    func remember(_ image: AgentImage, as reference: String) {
        guard reference.hasPrefix("sha256:") || reference.contains("@sha256:") else { return }
        state.withLockedValue { state in
            if state.images.count >= Self.limit { state.images = [:] }
            state.images[reference] = image
        }
    }

    /// The Engine has it no more.
    func forget(_ image: AgentImage) {
        state.withLockedValue { state in state.images = state.images.filter { $0.value.id != image.id } }
    }

    // MARK: Profiles of system calls

    /// - Throws: `SeccompPolicy.Looser`.
    func seccompProfile(for request: ExecutionRequest) throws -> String {
        let key = ProfileKey(
            allow: request.seccomp?.allow, hasForwarder: request.egress != nil,
            isRecorded: request.recorderMarker != nil, kernel: request.runtime.kernel)
        if let known = state.withLockedValue({ $0.profiles[key] }) { return known }
        let profile = try Self.policy(for: request).engineProfile()
        state.withLockedValue { state in
            if state.profiles.count >= Self.limit { state.profiles = [:] }
            state.profiles[key] = profile
        }
        return profile
    }

    private static func policy(for request: ExecutionRequest) throws -> SeccompPolicy {
        if request.recorderMarker != nil { return .recording }
        let narrowed = try request.seccomp.map {
            try SeccompPolicy.narrowed(to: $0, withForwarder: request.egress != nil)
        }
        return (narrowed ?? .standard).adapted(to: request.runtime)
    }

    // MARK: Containers

    /// Says that this process looks after a container, for as long as the value is held.
    func lookAfter(_ name: String) -> Care { Care(name: name, facts: self) }

    func isLookedAfter(_ name: String) -> Bool { state.withLockedValue { $0.lookedAfter.contains(name) } }

    final class Care: Sendable {
        let name: String
        private let facts: HostFacts

        fileprivate init(name: String, facts: HostFacts) {
            self.name = name
            self.facts = facts
            facts.state.withLockedValue { _ = $0.lookedAfter.insert(name) }
        }

        deinit { facts.state.withLockedValue { _ = $0.lookedAfter.remove(name) } }
    }
}
