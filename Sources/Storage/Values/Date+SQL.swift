public import Foundation

/// A time is whole milliseconds since 1970-01-01T00:00:00Z in a `BIGINT`: ordered and subtracted alike on both
/// databases, and exactly what RFC 3339 with milliseconds shows.
extension Date: SQLConvertible {
    public static var sqlType: SQLType { .integer }

    /// Rounded to the nearest millisecond.
    public func sqlValue() throws -> SQLValue {
        guard let milliseconds = Int64(exactly: (timeIntervalSince1970 * 1000).rounded()) else {
            throw DatabaseError(.invalidValue, "a time so far away cannot be stored")
        }
        return .integer(milliseconds)
    }

    public init?(sqlValue: SQLValue) {
        guard case .integer(let milliseconds) = sqlValue else { return nil }
        self.init(timeIntervalSince1970: Double(milliseconds) / 1000)
    }
}
