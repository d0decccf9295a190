import NIOConcurrencyHelpers

/// A number of permits for what may be done at once, given out first come, first served, but to the urgent first.
final class Permits: Sendable {
    private struct State {
        var free: Int
        var waiters: [(id: UInt64, shot: OneShot<Void>)] = []
        var lastID: UInt64 = 0
    }

    private let state: NIOLockedValueBox<State>
    private let count: Int

    init(_ count: Int) {
        self.count = count
        state = NIOLockedValueBox(State(free: count))
    }

    /// Waits for a permit; each is given back with ``giveBack()``.
    /// - Parameter isUrgent: before all who wait already.
    /// - Throws: ``DatabaseError`` with code `database_busy` at the deadline, `CancellationError`.
    func take(isUrgent: Bool = false, until deadline: ContinuousClock.Instant) async throws {
        try Task.checkCancellation()
        let shot = OneShot<Void>()
        let id: UInt64? = state.withLockedValue { state in
            if state.free > 0 {
                state.free -= 1
                return nil
            }
            state.lastID += 1
            state.waiters.insert((state.lastID, shot), at: isUrgent ? 0 : state.waiters.count)
            return state.lastID
        }
        guard let id else { return }
        do {
            try await shot.value(until: deadline) { [count] in
                DatabaseError(
                    .databaseBusy,
                    "no connection to the database became free in time (\(count) in all, each in use): try again later")
            }
        } catch {
            state.withLockedValue { $0.waiters.removeAll { $0.id == id } }
            throw error
        }
    }

    func giveBack() {
        while true {
            let next: OneShot<Void>? = state.withLockedValue { state in
                if state.waiters.isEmpty {
                    state.free += 1
                    return nil
                }
                return state.waiters.removeFirst().shot
            }
            // One that has been cancelled, or was late, takes no permit.
            guard let next, !next.give(.success(())) else { return }
        }
    }
}
