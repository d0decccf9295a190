import NIOConcurrencyHelpers

/// Wakes the nodes when something was submitted.
///
/// One notification is under way at a time, and stands for all submissions before it: PostgreSQL lets transactions that
/// notify commit only one after the other, which would slow down submissions that have nothing to do with each other.
public final class SubmissionBell: Sendable {
    private enum State {
        case quiet
        /// One is being sent. `again`: and something was submitted since.
        case ringing(again: Bool)
    }

    private let database: Database
    private let state = NIOLockedValueBox(State.quiet)

    public init(_ database: Database) { self.database = database }

    /// Call it once the submission's transaction is committed. Returns at once; a notification that cannot be sent is
    /// made up for by the nodes, which look every second.
    public func ring() {
        let begins = state.withLockedValue { state in
            switch state {
            case .quiet:
                state = .ringing(again: false)
                return true
            case .ringing:
                state = .ringing(again: true)
                return false
            }
        }
        if begins { Task { await send() } }
    }

    private func send() async {
        var isDone = false
        while !isDone {
            try? await database.transaction(isolation: .readCommitted) {
                try await $0.notify(ExecutionQueue.submitted, "")
            }
            isDone = state.withLockedValue { state in
                guard case .ringing(again: true) = state else {
                    state = .quiet
                    return true
                }
                state = .ringing(again: false)
                return false
            }
        }
    }
}
