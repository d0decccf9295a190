public import Foundation
import NIOConcurrencyHelpers

/// Limits requests per key, user or address over a sliding window.
///
/// Counted in memory: each process counts what it serves itself, and a restart forgets. The oldest half is forgotten
/// beyond ``capacity`` subjects, so that addresses without end do not fill the memory.
public final class RequestLimiter: Sendable {
    /// What came of a request.
    public struct Verdict: Sendable, Equatable {
        public let isAllowed: Bool
        /// 0 where nothing is limited.
        public let limit: Int
        /// Requests left in the window.
        public let remaining: Int
        /// When there is room for one more, or nothing counts any more.
        public let resetAt: Date
    }

    private struct State {
        var windows: [String: SlidingWindow] = [:]
    }

    public let limit: Int
    /// Seconds.
    public let window: Double
    private let capacity: Int
    private let now: @Sendable () -> Date
    private let state = NIOLockedValueBox(State())

    /// - Parameters:
    ///   - limit: requests per window; 0 for none.
    ///   - window: seconds.
    ///   - capacity: subjects that are remembered.
    public init(
        limit: Int = 100, window: Double = 15 * 60, capacity: Int = 100_000,
        now: @escaping @Sendable () -> Date = { Date() }
    ) {
        self.limit = limit
        self.window = window
        self.capacity = capacity
        self.now = now
    }

    /// Counts a request, when it is allowed.
    /// - Parameters:
    ///   - subject: who asks, such as `user:usr_…` or `address:192.0.2.1`.
    ///   - own: the subject's own limit in place of ``limit``; 0 for none.
    public func admit(_ subject: String, limit own: Int? = nil) -> Verdict {
        let now = now()
        let limit = own ?? limit
        guard limit > 0 else { return Verdict(isAllowed: true, limit: 0, remaining: .max, resetAt: now) }
        return state.withLockedValue { state in
            if state.windows[subject] == nil, state.windows.count >= capacity { forget(&state, now) }
            var window = state.windows[subject] ?? SlidingWindow(length: window)
            let used = window.used(at: now)
            let isAllowed = used < limit
            if isAllowed {
                window.add(at: now)
                state.windows[subject] = window
            }
            let reset = isAllowed ? window.emptyAt(now) : window.resetAt(limit: limit, at: now)
            return Verdict(
                isAllowed: isAllowed, limit: limit, remaining: max(0, limit - used - (isAllowed ? 1 : 0)),
                resetAt: reset ?? now)
        }
    }

    /// What a request would be refused with; nil when there is room. Counts nothing.
    public func refusal(of subject: String) -> Verdict? {
        let now = now()
        guard limit > 0 else { return nil }
        return state.withLockedValue { state in
            guard let window = state.windows[subject], let reset = window.resetAt(limit: limit, at: now) else {
                return nil
            }
            return Verdict(isAllowed: false, limit: limit, remaining: 0, resetAt: reset)
        }
    }

    private func forget(_ state: inout State, _ now: Date) {
        state.windows = state.windows.filter { $0.value.emptyAt(now) != nil }
        guard state.windows.count >= capacity else { return }
        let oldest = state.windows.map { ($0.key, $0.value.emptyAt(now) ?? now) }.sorted { $0.1 < $1.1 }
        for (subject, _) in oldest.prefix(oldest.count / 2 + 1) { state.windows[subject] = nil }
    }
}
