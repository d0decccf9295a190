import DatabaseFixtures
import Foundation
import Storage
import Testing

@testable import Entitlements

@Suite("Clocks")
struct ClockTests {
    @Test("the quota resets at midnight UTC, to the millisecond", arguments: Backend.allCases)
    func midnight(_ backend: Backend) async throws {
        try await World.with(backend, at: "2026-11-21T23:59:00Z") { world async throws in
            try await world.unlimit()
            try await world.change { $0.executionsPerDay = .set(1) }
            #expect(try await world.submit().isAdmitted)
            world.clock.advance(59.999)
            #expect(try await world.denial()?.code == .quotaExceeded)
            world.clock.advance(0.001)
            #expect(try await world.access().quota.used == 0)
            #expect(try await world.submit().isAdmitted)
            #expect(try await world.denial()?.code == .quotaExceeded)
        }
    }

    @Test("daylight saving time of the server's zone moves nothing")
    func daylightSaving() {
        // Where clocks go back at 01:00 UTC, 2026-10-25 has 25 hours, and 2026-03-29 has 23.
        for (day, zone) in [
            ("2026-10-25", "Europe/Berlin"), ("2026-03-29", "Europe/Berlin"), ("2026-11-01", "America/New_York"),
        ] {
            NSTimeZone.default = TimeZone(identifier: zone) ?? .gmt
            let start = TestClock.date("\(day)T00:00:00Z")
            #expect(UTCDay(start).start == start)
            #expect(UTCDay(start).next.start == start + 86_400)
            #expect(UTCDay(start + 86_399.999) == UTCDay(start))
        }
        NSTimeZone.default = .gmt
    }

    @Test("months are those of the calendar, leap days among them")
    func months() {
        let calendar = {
            var calendar = Calendar(identifier: .gregorian)
            calendar.timeZone = .gmt
            return calendar
        }()
        for day in stride(from: 0, to: 60_000, by: 1) {
            let date = Date(timeIntervalSince1970: Double(day) * 86_400 + 43_200)
            let parts = calendar.dateComponents([.year, .month], from: date)
            let month = UTCMonth(date)
            guard month.year == parts.year, month.month == parts.month, month.start <= date, date < month.next.start
            else {
                Issue.record("day \(day) is in \(month)")
                return
            }
        }
        #expect(UTCMonth("2028-02")?.next.start == TestClock.date("2028-03-01T00:00:00Z"))
        #expect(UTCMonth(TestClock.date("2028-02-29T23:59:59Z")).description == "2028-02")
        #expect(UTCMonth("2026-13") == nil)
    }

    @Test("the leap day is a day of its own, and belongs to February's bill", arguments: Backend.allCases)
    func leapDay(_ backend: Backend) async throws {
        try await World.with(backend, at: "2028-02-28T23:59:59Z", price: "1.00") { world async throws in
            try await world.grant()
            try await world.change {
                $0.balanceCents = 1000
                $0.executionsPerDay = .set(1)
                $0.monthlyLimitCents = .set(200)
            }
            for day in ["2028-02-28T23:59:59Z", "2028-02-29T00:00:00Z"] {
                world.clock.set(day)
                let reservation = try #require(try await world.submit().reservation)
                #expect(try await world.denial()?.code == .quotaExceeded)
                try await world.settle(reservation.executionID)
            }
            world.clock.set("2028-02-29T23:59:59Z")
            try await world.change { $0.executionsPerDay = .set(5) }
            #expect(try await world.denial()?.code == .monthlyLimitExceeded)
            let february = try #require(UTCMonth("2028-02"))
            let bill = try await UsageRecords().bill(of: world.user.id, february, in: world.database)
            #expect(bill.totalCents == 200)
            #expect(bill.ledgerCents == 200)
            world.clock.set("2028-03-01T00:00:00Z")
            #expect(try await world.submit().isAdmitted)
        }
    }

    @Test("a clock that steps back gives nothing twice", arguments: Backend.allCases)
    func back(_ backend: Backend) async throws {
        try await World.with(backend, at: "2026-11-22T00:30:00Z") { world async throws in
            try await world.unlimit()
            try await world.change { $0.executionsPerDay = .set(2) }
            for _ in 0..<2 { #expect(try await world.submit().isAdmitted) }
            world.clock.set("2026-11-21T23:59:00Z")
            #expect(try await world.denial()?.code == .quotaExceeded)
            world.clock.set("2026-11-22T12:00:00Z")
            #expect(try await world.denial()?.code == .quotaExceeded)
            world.clock.set("2026-11-23T00:00:00Z")
            #expect(try await world.submit().isAdmitted)

            try await world.change {
                $0.executionsPerDay = .set(1000)
                $0.executionsPerHour = .set(3)
            }
            for _ in 0..<2 { #expect(try await world.submit().isAdmitted) }
            world.clock.advance(-1800)
            #expect(try await world.denial()?.code == .rateLimited)
            world.clock.advance(1800 + 3599)
            #expect(try await world.denial()?.code == .rateLimited)
            world.clock.advance(11)
            #expect(try await world.submit().isAdmitted)
        }
    }

    @Test("a clock that was far ahead does not shut a user out", arguments: Backend.allCases)
    func ahead(_ backend: Backend) async throws {
        try await World.with(backend, at: "2036-01-01T00:00:00Z") { world async throws in
            try await world.change {
                $0.executionsPerDay = .set(1)
                $0.executionsPerHour = .set(1)
            }
            #expect(try await world.submit().isAdmitted)
            world.clock.set("2026-11-21T10:00:00Z")
            #expect(try await world.submit().isAdmitted)
            #expect(try await world.denial()?.code == .rateLimited)
        }
    }

    @Test("what is reserved in advance is kept past midnight, and lapses", arguments: Backend.allCases)
    func advance(_ backend: Backend) async throws {
        try await World.with(backend, at: "2026-11-21T20:00:00Z") { world async throws in
            try await world.unlimit()
            try await world.change { $0.executionsPerDay = .set(5) }
            func reserve(_ count: Int) async throws {
                try await world.database.transaction(isolation: .readCommitted) { transaction async throws in
                    _ = try await world.users.reserveInAdvance(count, of: world.user.id, in: transaction)
                }
            }
            #expect(try await world.submit().isAdmitted)
            try await reserve(3)
            await #expect(throws: EntitlementError.self) { try await reserve(1) }
            #expect(try await world.access().quota.used == 4)
            #expect(try await world.submit().reservation?.isAdvance == true)
            world.clock.set("2026-11-22T10:00:00Z")
            let second = try #require(try await world.submit().reservation)
            #expect(second.isAdvance)
            // Failed by our fault: its place comes back to where it was taken from.
            try await world.settle(second.executionID, .failed, "engine_error", nil)
            #expect(try await world.access().advance?.remaining == 2)
            for _ in 0..<2 { #expect(try await world.submit().reservation?.isAdvance == true) }
            #expect(try await world.access().quota.used == 0)
            for _ in 0..<5 { #expect(try await world.submit().reservation?.isAdvance == false) }
            #expect(try await world.denial()?.code == .quotaExceeded)
            world.clock.set("2026-11-23T01:00:00Z")
            try await reserve(4)
            await #expect(throws: EntitlementError.self) { try await reserve(1) }
            world.clock.set("2026-11-24T01:00:00Z")
            #expect(try await world.access().advance == nil)
            for _ in 0..<5 { #expect(try await world.submit().reservation?.isAdvance == false) }
            #expect(try await world.denial()?.code == .quotaExceeded)
        }
    }

    @Test("the last place that was reserved in advance comes back too", arguments: Backend.allCases)
    func lastInAdvance(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            try await world.database.transaction(isolation: .readCommitted) { transaction async throws in
                _ = try await world.users.reserveInAdvance(1, of: world.user.id, in: transaction)
            }
            let only = try #require(try await world.submit().reservation)
            #expect(only.isAdvance)
            #expect(try await world.access().advance == nil)
            #expect(try await world.submit().reservation?.isAdvance == false)
            try await world.settle(only.executionID, .failed, "engine_error", nil)
            #expect(try await world.access().advance?.remaining == 1)
            let again = try #require(try await world.submit().reservation)
            #expect(again.isAdvance)
            // What comes back after the reservation has lapsed is gone.
            world.clock.advance(24 * 3600)
            try await world.settle(again.executionID, .failed, "engine_error", nil)
            #expect(try await world.access().advance == nil)
        }
    }
}
