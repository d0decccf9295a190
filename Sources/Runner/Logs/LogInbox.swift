import NIOConcurrencyHelpers

/// Where one follower of a log waits: for more of the log, for what becomes of its execution, or until it is to leave.
///
/// There are thousands of followers: each has this, and no task beside its own.
public final class LogInbox: Sendable {
    private struct State {
        var events: [ExecutionWatch.Event] = []
        var isRaised = false
        var hasLeft = false
        var waiter: CheckedContinuation<Void, any Error>?
    }

    /// An execution has fewer states than that: the oldest go first.
    private static let mostEvents = 16

    private let state = NIOLockedValueBox(State())

    public init() {}

    /// Ends the follower, which throws a `CancellationError`.
    public func leave() {
        let waiter = state.withLockedValue { state in
            state.hasLeft = true
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(throwing: CancellationError())
    }

    /// There may be more to read.
    func raise() { wake { _ in } }

    func add(_ event: ExecutionWatch.Event) {
        wake { state in
            if state.events.count == Self.mostEvents { state.events.removeFirst() }
            state.events.append(event)
        }
    }

    private func wake(_ change: (inout State) -> Void) {
        let waiter = state.withLockedValue { state in
            change(&state)
            state.isRaised = state.waiter == nil
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    /// - Throws: `CancellationError` for one that was told to leave.
    func checkPresence() throws {
        if state.withLockedValue({ $0.hasLeft }) { throw CancellationError() }
    }

    /// What has come, in order.
    func takeEvents() -> [ExecutionWatch.Event] {
        state.withLockedValue { state in
            defer { state.events = [] }
            return state.events
        }
    }

    /// Returns at once when something has come since the last time.
    /// - Throws: `CancellationError`.
    func wait() async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let outcome: Result<Void, any Error>? = state.withLockedValue { state in
                    if state.hasLeft { return .failure(CancellationError()) }
                    guard !state.isRaised else {
                        state.isRaised = false
                        return .success(())
                    }
                    state.waiter = continuation
                    return nil
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            leave()
        }
    }
}
