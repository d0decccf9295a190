import DockerAPI

/// The progress of a pull or a build: one line that is drawn over on a terminal, and hardly anything elsewhere.
struct ProgressLine {
    private let title: String
    private let isShown: Bool
    private let isDrawn: Bool
    private var layers: [String: (current: Int64, total: Int64)] = [:]
    private(set) var transcript = ""
    private var lastDrawn = ContinuousClock.now - .seconds(1)

    private static let interval: Duration = .milliseconds(100)
    private static let width = 30
    /// Of a build's output, as much of the end as tells why it failed.
    private static let transcriptLimit = 32 << 10

    /// - Parameter title: what is going on, such as `pulling NAME`.
    init(_ title: String, quiet: Bool) {
        self.title = title
        isShown = !quiet
        isDrawn = !quiet && Console.isTerminal
    }

    mutating func take(_ message: ProgressMessage) {
        if let text = message.stream { transcript = String((transcript + text).suffix(Self.transcriptLimit)) }
        if let id = message.id, let detail = message.progressDetail, let current = detail.current {
            let total = max(0, detail.total ?? layers[id]?.total ?? 0)
            layers[id] = (max(0, current), max(total, current))
        }
        draw(words: message.stream ?? message.status ?? "")
    }

    func begin() {
        if isShown, !isDrawn { Console.error(title) }
    }

    func end() {
        if isDrawn { Console.raw("\r\u{1B}[K") }
    }

    private mutating func draw(words: String) {
        let now = ContinuousClock.now
        guard isDrawn, lastDrawn.duration(to: now) > Self.interval else { return }
        lastDrawn = now
        let current = layers.values.reduce(0.0) { $0 + Double($1.current) }
        let total = layers.values.reduce(0.0) { $0 + Double($1.total) }
        let detail: String
        if total > 0 {
            let share = min(1, current / total)
            let filled = Int(share * Double(Self.width))
            let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: Self.width - filled)
            detail = "\(bar) \(Int(share * 100)) % of \(Int(total / 1_048_576)) MiB"
        } else {
            detail = String(words.split(whereSeparator: \.isNewline).first?.prefix(60) ?? "")
        }
        Console.raw("\r\u{1B}[K\(title) \(detail)")
    }
}
