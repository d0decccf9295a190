import Dispatch
import NIOConcurrencyHelpers
import Runner

/// Tells on stderr, as it happens, which connections of the agent were refused: each kind once, and its count at the end.
final class RefusedLines: EgressSink {
    private static let limit = 24

    private struct State {
        /// Each line that was shown, in order, and how often it would have been.
        var lines: [(text: String, count: Int)] = []
        /// Refused after as many lines as are shown.
        var others = 0
    }

    private let quiet: Bool
    private let state = NIOLockedValueBox(State())
    /// A stderr that nobody reads must not hold up the proxy.
    private let queue = DispatchQueue(label: "paddock.egress")

    init(quiet: Bool) { self.quiet = quiet }

    func take(_ record: EgressRecord) {
        guard !quiet, record.verdict == .refused, let reason = record.reason else { return }
        let text = "egress: \(record.request) refused: \(reason.message)\(Self.hint(record, reason))"
        let isNew: Bool = state.withLockedValue { state in
            if let index = state.lines.firstIndex(where: { $0.text == text }) {
                state.lines[index].count += 1
                return false
            }
            guard state.lines.count < Self.limit else {
                state.others += 1
                return false
            }
            state.lines.append((text, 1))
            return true
        }
        if isNew { queue.async { Console.error(text) } }
    }

    /// What to do about it, on this command line.
    private static func hint(_ record: EgressRecord, _ reason: EgressRecord.Reason) -> String {
        switch reason.code {
        case .notListed: " (add --allow \(record.host ?? ""):\(record.port ?? 0))"
        case .reservedAddress where record.isPrivate: " (see --allow-private)"
        default: ""
        }
    }

    /// The counts, when no more can come.
    func end() {
        queue.sync {}
        let state = self.state.withLockedValue { $0 }
        for line in state.lines where line.count > 1 { Console.error("\(line.text): \(line.count) times") }
        if state.others > 0 { Console.error("egress: \(state.others) more requests refused, not shown") }
    }
}
