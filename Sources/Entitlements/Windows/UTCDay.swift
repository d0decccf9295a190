public import Foundation

/// A day in UTC, by its number since 1970-01-01. Neither a time zone nor daylight saving time moves it.
public struct UTCDay: Sendable, Hashable, Comparable {
    static let seconds = 86_400.0

    public let number: Int

    public init(number: Int) { self.number = number }

    /// The day of a time.
    public init(_ date: Date) { number = Int((date.timeIntervalSince1970 / Self.seconds).rounded(.down)) }

    /// Its midnight, at which it begins.
    public var start: Date { Date(timeIntervalSince1970: Double(number) * Self.seconds) }

    public var next: UTCDay { UTCDay(number: number + 1) }

    public static func < (one: UTCDay, other: UTCDay) -> Bool { one.number < other.number }
}

/// A month in UTC of the Gregorian calendar, by its number since January of the year 0.
public struct UTCMonth: Sendable, Hashable, Comparable, CustomStringConvertible {
    public let number: Int

    public init(number: Int) { self.number = number }

    /// - Parameter month: 1 to 12.
    public init(year: Int, month: Int) { number = year * 12 + month - 1 }

    /// As it is described: `2026-11`.
    public init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0].count == 4, parts[1].count == 2, let year = Int(parts[0]), year >= 1970,
            let month = Int(parts[1]), (1...12).contains(month)
        else { return nil }
        self.init(year: year, month: month)
    }

    /// The month of a time: from the day's number by way of years that begin in March, so that the leap day is a
    /// year's last.
    public init(_ date: Date) {
        let day = UTCDay(date).number + 719_468
        let era = (day >= 0 ? day : day - 146_096) / 146_097
        let dayOfEra = day - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        self.init(year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month: month)
    }

    public var year: Int { number / 12 }
    /// 1 to 12.
    public var month: Int { number % 12 + 1 }

    /// The midnight at which it begins.
    public var start: Date {
        let marchYear = month <= 2 ? year - 1 : year
        let era = marchYear / 400
        let yearOfEra = marchYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return UTCDay(number: era * 146_097 + dayOfEra - 719_468).start
    }

    public var next: UTCMonth { UTCMonth(number: number + 1) }

    public var description: String { "\(year)-\(month < 10 ? "0" : "")\(month)" }

    public static func < (one: UTCMonth, other: UTCMonth) -> Bool { one.number < other.number }
}
