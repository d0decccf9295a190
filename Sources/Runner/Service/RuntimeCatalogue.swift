import NIOConcurrencyHelpers

/// The Engine's runtimes by name, looked up once a minute.
final class RuntimeCatalogue: Sendable {
    private static let freshness: Duration = .seconds(60)

    private struct State {
        var known: [String: SandboxRuntime] = [:]
        var at: ContinuousClock.Instant?
    }

    private let host: RunnerHost
    private let state = NIOLockedValueBox(State())

    init(_ host: RunnerHost) { self.host = host }

    /// Those that this host's Engine has; its default under the empty name. While the Engine is away, what is known from
    /// before: whoever runs the execution checks again.
    func known() async -> [String: SandboxRuntime] {
        let fresh = state.withLockedValue { state in
            state.at.flatMap { ContinuousClock.now - $0 < Self.freshness ? state.known : nil }
        }
        if let fresh { return fresh }
        var known: [String: SandboxRuntime] = ["": .engineDefault]
        guard let runtimes = try? await host.runtimes() else { return state.withLockedValue { $0.known } }
        for runtime in runtimes { if let name = runtime.name { known[name] = runtime } }
        state.withLockedValue { $0 = State(known: known, at: .now) }
        return known
    }
}
