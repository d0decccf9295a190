import Foundation

extension Date {
    /// For messages: RFC 3339, in UTC, whole seconds.
    var timestamp: String { formatted(.iso8601) }
}
