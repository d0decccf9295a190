import NIOConcurrencyHelpers

/// Who listens to which channel.
final class NotificationHub: Sendable {
    private struct Weak {
        weak var listener: Notifications?
    }

    private struct State {
        var listeners: [String: [Weak]] = [:]
        var isClosed = false
    }

    private let state = NIOLockedValueBox(State())

    /// - Returns: what the caller keeps for as long as it listens.
    func subscribe(to channel: String) -> Notifications {
        let listener = Notifications(channel: channel)
        let isClosed = state.withLockedValue { state in
            state.listeners[channel, default: []].removeAll { $0.listener == nil }
            state.listeners[channel, default: []].append(Weak(listener: listener))
            return state.isClosed
        }
        if isClosed { listener.close() }
        return listener
    }

    var channels: Set<String> { state.withLockedValue { Set($0.listeners.keys) } }

    func publish(_ notification: Notification, to channel: String) {
        for listener in listeners(of: channel) { listener.post(notification) }
    }

    func close() {
        let all = state.withLockedValue { state in
            state.isClosed = true
            return state.listeners.values.flatMap { $0.compactMap(\.listener) }
        }
        for listener in all { listener.close() }
    }

    private func listeners(of channel: String) -> [Notifications] {
        state.withLockedValue { state in (state.listeners[channel] ?? []).compactMap(\.listener) }
    }
}
