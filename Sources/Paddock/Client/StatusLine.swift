import NIOConcurrencyHelpers
import Runner

/// What an execution does while somebody waits for it: one line that is drawn over on a terminal, a line for each change
/// elsewhere.
final class StatusLine: Sendable {
    private struct State {
        var status: Execution.Status?
        var since = ContinuousClock.now
        var isDrawn = false
    }

    private let isShown: Bool
    private let state = NIOLockedValueBox(State())
    private let ticker: Task<Void, Never>

    init(quiet: Bool) {
        isShown = !quiet
        let state = self.state
        let ticks = !quiet && Console.isTerminal
        ticker = Task {
            while ticks, (try? await Task.sleep(for: .seconds(1))) != nil { Self.draw(state) }
        }
    }

    deinit { ticker.cancel() }

    /// Shows what comes before the agent runs; from then on its log speaks.
    func show(_ status: Execution.Status) {
        let isNew = state.withLockedValue { state in
            defer { state.status = status }
            if state.status != status { state.since = .now }
            return state.status != status
        }
        guard isShown, isNew else { return }
        guard Console.isTerminal else {
            if status == .queued { Console.error("queued") }
            return
        }
        if status == .queued || status == .starting { Self.draw(state) } else { clear() }
    }

    /// Makes room for other output.
    func clear() {
        state.withLockedValue { state in
            if state.isDrawn { Console.raw("\r\u{1B}[K") }
            state.isDrawn = false
        }
    }

    func end() {
        ticker.cancel()
        clear()
    }

    private static func draw(_ state: NIOLockedValueBox<State>) {
        state.withLockedValue { state in
            guard let status = state.status, status == .queued || status == .starting else { return }
            let seconds = Int(state.since.duration(to: .now) / .seconds(1))
            Console.raw("\r\u{1B}[K\(status.rawValue) for \(seconds) s")
            state.isDrawn = true
        }
    }
}
