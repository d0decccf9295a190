import NIOConcurrencyHelpers

/// Ends waits at their deadlines.
///
/// Nearly every wait ends before its deadline, so one timer serves all: it sleeps until the first of them that was there
/// when it was set. A timer for each would cost more than the wait.
final class Deadlines: Sendable {
    private struct State {
        var waits: [UInt64: (deadline: ContinuousClock.Instant, end: @Sendable () -> Void)] = [:]
        var lastID: UInt64 = 0
        /// When the timer rings; nil when none is set. One that was set for another time does nothing.
        var alarm: ContinuousClock.Instant?
    }

    static let shared = Deadlines()

    private let state = NIOLockedValueBox(State())

    /// - Parameter end: called once, at the deadline, unless ``remove(_:)`` comes before.
    func add(_ deadline: ContinuousClock.Instant, _ end: @escaping @Sendable () -> Void) -> UInt64 {
        let (id, isFirst) = state.withLockedValue { state in
            state.lastID += 1
            state.waits[state.lastID] = (deadline, end)
            let isFirst = state.alarm.map { deadline < $0 } ?? true
            if isFirst { state.alarm = deadline }
            return (state.lastID, isFirst)
        }
        if isFirst { set(deadline) }
        return id
    }

    func remove(_ id: UInt64) { _ = state.withLockedValue { $0.waits.removeValue(forKey: id) } }

    private func set(_ alarm: ContinuousClock.Instant) {
        Task.detached {
            try await Task.sleep(until: alarm, clock: .continuous)
            self.ring(alarm)
        }
    }

    private func ring(_ alarm: ContinuousClock.Instant) {
        let now = ContinuousClock.now
        let (late, next) = state.withLockedValue { state in
            guard state.alarm == alarm else { return ([@Sendable () -> Void](), ContinuousClock.Instant?.none) }
            let late = state.waits.filter { $0.value.deadline <= now }
            for id in late.keys { state.waits.removeValue(forKey: id) }
            state.alarm = state.waits.values.map(\.deadline).min()
            return (late.values.map(\.end), state.alarm)
        }
        if let next { set(next) }
        for end in late { end() }
    }
}
