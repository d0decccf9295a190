import DatabaseFixtures
import Foundation
import Storage
import Testing

@testable import Entitlements

@Suite("Random histories")
struct PropertyTests {
    /// One admission, as the test saw it.
    private struct Seen {
        let id: String
        let at: Date
        var isSettled = false
        var isWaived = false
        var charged = 0
    }

    @Test(
        "of submits, ends, cancels, crashes, refunds and clock steps keep every sum", .timeLimit(.minutes(10)),
        arguments: Backend.allCases, [1, 2, 3])
    func histories(_ backend: Backend, _ seed: UInt64) async throws {
        try await World.with(backend, at: "2028-02-28T20:00:00Z", price: "0.30") { world async throws in
            var random = SplitMix(seed: seed)
            try await world.grant()
            try await world.change {
                $0.balanceCents = 2_000
                $0.monthlyLimitCents = .set(1_500)
                $0.executionsPerDay = .set(12)
                $0.executionsPerHour = .set(6)
                $0.maxConcurrent = .set(3)
            }
            try await world.database.transaction(isolation: .readCommitted) {
                try await RateRepository().set(
                    Rates(cpuSecond: 300_000, gibSecond: 200_000, egressGiB: 1_000_000), by: "test", in: $0)
            }
            var seen: [Seen] = []
            var denials: Set<Denial.Code> = []
            for step in 0..<250 {
                switch Int.random(in: 0..<100, using: &random) {
                case 0..<50:
                    let request = world.request()
                    switch try await world.submit(request) {
                    case .admitted: seen.append(Seen(id: request.executionID, at: world.clock.now))
                    case .denied(let denial): denials.insert(denial.code)
                    case .admittedBefore: Issue.record("an id was known before")
                    }
                case 50..<80: try await end(&seen, world, &random)
                case 80..<86: try await refund(&seen, world, &random)
                case 86..<88:
                    try await world.database.transaction(isolation: .readCommitted) { transaction in
                        _ = try await world.ledger.deposit(
                            50, to: world.user.id, reference: "pay\(step / 2)", by: "test", in: transaction)
                    }
                case 88..<90: world.clock.advance(-Double.random(in: 0..<3000, using: &random))
                case 90..<92: world.clock.advance(Double.random(in: 0..<80_000, using: &random))
                default: world.clock.advance(Double.random(in: 0..<1500, using: &random))
                }
                if step % 10 == 0 { try await check(seen, world) }
            }
            try await check(seen, world)
            // The history has come to its bounds.
            #expect(denials.count >= 2 && denials.contains(.concurrencyLimited))
        }
    }

    private func end(_ seen: inout [Seen], _ world: World, _ random: inout SplitMix) async throws {
        let open = seen.indices.filter { !seen[$0].isSettled }
        guard let index = open.randomElement(using: &random) else { return }
        let ends: [(ExecutionState, String)] = [
            (.succeeded, "exit"), (.failed, "exit"), (.canceled, "canceled"), (.timedOut, "wall_timeout"),
            (.lost, "runner_lost"), (.failed, "engine_error"), (.failed, "memory_limit"),
        ]
        guard let (state, reason) = ends.randomElement(using: &random) else { return }
        let usage =
            Bool.random(using: &random)
            ? StoredUsage(
                wallMilliseconds: .random(in: 0...70_000, using: &random),
                cpuMilliseconds: .random(in: 0...35_000, using: &random),
                maxMemoryBytes: .random(in: 0...512 << 20, using: &random), logBytes: 0, egressBytes: 0) : nil
        let outcome = try #require(try await world.settle(seen[index].id, state, reason, usage))
        #expect(try await world.settle(seen[index].id, .succeeded, "exit", usage) == nil)
        #expect(outcome.chargedCents <= outcome.estimateCents)
        seen[index].isSettled = true
        seen[index].isWaived = outcome.isWaived
        seen[index].charged = outcome.chargedCents
    }

    private func refund(_ seen: inout [Seen], _ world: World, _ random: inout SplitMix) async throws {
        guard let index = seen.indices.filter({ seen[$0].charged > 0 }).randomElement(using: &random) else { return }
        let cents = Int.random(in: 1...seen[index].charged, using: &random)
        let (id, reference) = (seen[index].id, "r\(seen[index].charged)")
        let given = try await world.database.transaction(isolation: .readCommitted) { transaction in
            try await world.settlement.refund(id, cents: cents, reference: reference, by: "test", in: transaction)
        }
        #expect(given == cents)
        seen[index].charged -= cents
    }

    private func check(_ seen: [Seen], _ world: World) async throws {
        try await Books.check(world)
        let access = try await world.access()
        #expect(access.concurrent.used == seen.count { !$0.isSettled })
        #expect(access.concurrent.used <= 3)
        #expect(access.availableCents >= 0)
        #expect(access.monthSpentCents + access.reservedCents <= 1_500)
        // Every hour, by the clock that the user saw.
        for one in seen {
            let inHour = seen.count { $0.at > one.at - 3600 && $0.at <= one.at }
            #expect(inHour <= 6)
        }
        let days = Set(seen.map { UTCDay($0.at) }).count
        #expect(seen.count { !$0.isWaived } <= 12 * max(1, days))
        let perDay = try await world.database.query(
            "SELECT count(*) AS number FROM reservations WHERE charged_cents IS NULL OR charged_cents > 0 GROUP BY day")
        for row in perDay {
            let number: Int = try row["number"]
            #expect(number <= 12)
        }
    }

    @Test("a window never lets more through than a log of all times would")
    func window() {
        var random = SplitMix(seed: 7)
        for _ in 0..<20 {
            let limit = Int.random(in: 1...8, using: &random)
            var window = SlidingWindow(length: 3600)
            var times: [Date] = []
            var now = TestClock.date("2026-11-21T10:00:00Z")
            for _ in 0..<400 {
                now += Double.random(in: -600...1200, using: &random)
                window = SlidingWindow(length: 3600, text: window.text)
                let used = window.used(at: now)
                #expect(used >= times.count { abs(now.timeIntervalSince($0)) < 3600 })
                guard used < limit else {
                    if let reset = window.resetAt(limit: limit, at: now) {
                        #expect(window.used(at: reset) < limit)
                        #expect(window.used(at: reset - 0.01) >= limit)
                    }
                    continue
                }
                window.add(at: now)
                times.append(now)
            }
            #expect(times.count > limit)
        }
        #expect(SlidingWindow(length: 60, text: "no,1:2:3").used(at: Date()) == 0)
    }
}

/// A random generator whose sequence is the same for the same seed.
struct SplitMix: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
