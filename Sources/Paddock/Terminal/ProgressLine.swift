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

    /// - Parameter title: what is going on, such as `pulling NAME`.
    init(_ title: String, quiet: Bool) {
        self.title = title
        isShown = !quiet
        isDrawn = !quiet && Console.isTerminal
    }

    mutating func take(_ message: ProgressMessage) {
        if let text = message.stream { transcript += text }
        if let id = message.id, let detail = message.progressDetail, let current = detail.current {
            let total = detail.total ?? layers[id]?.total ?? 0
            layers[id] = (min(current, max(total, current)), max(total, current))
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
        let current = layers.values.reduce(0) { $0 + $1.current }
        let total = layers.values.reduce(0) { $0 + $1.total }
        let detail: String
        if total > 0 {
            let share = Double(current) / Double(total)
            let filled = Int(share * Double(Self.width))
            let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: Self.width - filled)
            detail = "\(bar) \(Int(share * 100)) % of \(total >> 20) MiB"
        } else {
            detail = String(words.split(whereSeparator: \.isNewline).first?.prefix(60) ?? "")
        }
        Console.raw("\r\u{1B}[K\(title) \(detail)")
    }
}
