import NIOConcurrencyHelpers

/// Ends waits that last too long: one task looks at all of them, for as long as there are any.
///
/// A timer for each would cost more than most of the waits, and a timer that is cancelled stays in the system's queue
/// until its time comes.
final class Deadlines: Sendable {
    typealias Instant = ContinuousClock.Instant

    private struct Wait {
        let deadline: Instant
        let end: @Sendable () -> Void
    }

    private struct State {
        var waits: [UInt64: Wait] = [:]
        var lastID: UInt64 = 0
        var isLooking = false
    }

    static let shared = Deadlines()
    /// A wait may last so much longer.
    private static let interval: Duration = .milliseconds(50)

    private let state = NIOLockedValueBox(State())

    /// Calls `end` soon after the deadline, unless the wait is removed before.
    /// - Returns: its number.
    func add(_ deadline: Instant, _ end: @escaping @Sendable () -> Void) -> UInt64 {
        let (id, mustLook) = state.withLockedValue { state in
            state.lastID += 1
            state.waits[state.lastID] = Wait(deadline: deadline, end: end)
            defer { state.isLooking = true }
            return (state.lastID, !state.isLooking)
        }
        if mustLook { Task.detached { await self.look() } }
        return id
    }

    func remove(_ id: UInt64) { state.withLockedValue { _ = $0.waits.removeValue(forKey: id) } }

    private func look() async {
        while true {
            try? await Task.sleep(for: Self.interval)
            let now = Instant.now
            let (late, isOver): ([Wait], Bool) = state.withLockedValue { state in
                let late = state.waits.filter { $0.value.deadline <= now }
                for id in late.keys { state.waits[id] = nil }
                state.isLooking = !state.waits.isEmpty
                return (Array(late.values), state.waits.isEmpty)
            }
            for wait in late { wait.end() }
            if isOver { return }
        }
    }
}
