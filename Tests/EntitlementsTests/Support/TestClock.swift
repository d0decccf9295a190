import Foundation
import NIOConcurrencyHelpers

/// A clock that goes where a test sets it.
final class TestClock: Sendable {
    private let time: NIOLockedValueBox<Date>

    /// - Parameter text: RFC 3339.
    init(_ text: String = "2026-11-21T10:00:00Z") { time = NIOLockedValueBox(Self.date(text)) }

    var now: Date { time.withLockedValue { $0 } }
    var read: @Sendable () -> Date { { self.now } }

    func set(_ text: String) { time.withLockedValue { $0 = Self.date(text) } }
    func advance(_ seconds: Double) { time.withLockedValue { $0 += seconds } }

    static func date(_ text: String) -> Date { (try? Date(text, strategy: .iso8601)) ?? .distantPast }
}
