import NIOConcurrencyHelpers

/// Lets one task sleep until there is something to do.
final class Wake: Sendable {
    private struct State {
        var isAwake = false
        var sleeper: CheckedContinuation<Void, Never>?
    }

    private let state = NIOLockedValueBox(State())

    func up() {
        let sleeper = state.withLockedValue { state in
            state.isAwake = state.sleeper == nil
            defer { state.sleeper = nil }
            return state.sleeper
        }
        sleeper?.resume()
    }

    /// Returns at once when ``up()`` was called since the last time.
    func wait(atMost limit: Duration) async {
        let timer = Task {
            try await Task.sleep(for: limit)
            up()
        }
        defer { timer.cancel() }
        await withCheckedContinuation { continuation in
            let isAwake = state.withLockedValue { state in
                defer { state.isAwake = false }
                if !state.isAwake { state.sleeper = continuation }
                return state.isAwake
            }
            if isAwake { continuation.resume() }
        }
    }
}
