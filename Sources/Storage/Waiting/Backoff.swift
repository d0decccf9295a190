/// Growing pauses between attempts, so that those who fail together do not try again together.
public struct Backoff: Sendable {
    private let first: Duration
    private let longest: Duration
    private var attempts = 0

    public init(first: Duration, longest: Duration) {
        self.first = first
        self.longest = longest
    }

    /// The next pause: it doubles up to the longest one, and half of it is random.
    public mutating func next() -> Duration {
        let full = min(first * (1 << min(attempts, 20)), longest)
        attempts += 1
        return full * Double.random(in: 0.5...1)
    }
}
