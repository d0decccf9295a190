import DatabaseFixtures
import Foundation
import Storage
import Testing

@testable import Entitlements

@Suite("Money")
struct MoneyTests {
    /// Cents for a CPU-second, a GiB-second and a GiB.
    private static let rates = Rates(cpuSecond: 1_000_000, gibSecond: 2_000_000, egressGiB: 100_000_000)

    private func rich(_ backend: Backend, _ body: (World) async throws -> Void) async throws {
        try await World.with(backend, price: "1.00") { world async throws in
            try await world.unlimit()
            try await world.grant()
            try await world.change { $0.balanceCents = 100_000 }
            try await world.database.transaction(isolation: .readCommitted) {
                try await RateRepository().set(Self.rates, by: "test", in: $0)
            }
            try await body(world)
        }
    }

    @Test("the estimate is the price and the most that the limits allow", arguments: Backend.allCases)
    func estimate(_ backend: Backend) async throws {
        try await rich(backend) { world async throws in
            // 70 s of half a CPU: 35; 70 s of half a GiB at 2: 70; and the price.
            #expect(try await world.submit().reservation?.estimateCents == 205)
            var request = world.request()
            request.limits.cpuSeconds = 5
            #expect(try await world.submit(request).reservation?.estimateCents == 175)
            request = world.request()
            request.hosts = ["example.com:443"]
            #expect(try await world.submit(request).reservation?.estimateCents == 305)
            let access = try await world.access()
            #expect(access.reservedCents == 685)
            #expect(access.availableCents == 100_000 - 685)
        }
    }

    @Test("what was used is charged, once, and the rest is released", arguments: Backend.allCases)
    func settled(_ backend: Backend) async throws {
        try await rich(backend) { world async throws in
            let reservation = try #require(try await world.submit().reservation)
            // A CPU-second: 1; 2 s of 64 MiB: 0.25; the price.
            let outcome = try #require(try await world.settle(reservation.executionID))
            #expect(outcome.chargedCents == 101)
            #expect(try await world.settle(reservation.executionID) == nil)
            #expect(try await world.settle("exe_none") == nil)
            let access = try await world.access()
            #expect(access.balanceCents == 100_000 - 101)
            #expect(access.reservedCents == 0)
            #expect(access.concurrent.used == 0)
            #expect(access.monthSpentCents == 101)
            let entries = try await world.ledger.entries(of: world.user.id, in: world.database).elements
            #expect(entries.map(\.cents) == [-101, 100_000])
            try await Books.check(world)
            let statistics = try await world.agents.statistics(of: world.agent.id, in: world.database)
            #expect(statistics.revenueCents == 100)
        }
    }

    @Test("no more than the estimate is charged", arguments: Backend.allCases)
    func beyond(_ backend: Backend) async throws {
        try await rich(backend) { world async throws in
            let reservation = try #require(try await world.submit().reservation)
            var usage = StoredUsage.some
            usage.egressBytes = 50 << 30
            #expect(try await world.settle(reservation.executionID, .succeeded, "exit", usage)?.chargedCents == 205)
            try await Books.check(world)
        }
    }

    @Test(
        "what fails by our fault costs nothing, and its place in the quota comes back",
        arguments: Backend.allCases,
        [
            (ExecutionState.failed, "engine_error", true), (.lost, "runner_lost", true), (.failed, "image_error", true),
            (.canceled, "canceled", false), (.failed, "exit", false), (.timedOut, "wall_timeout", false),
            (.failed, "output_invalid", false), (.failed, "memory_limit", false),
        ])
    func fault(_ backend: Backend, _ end: (state: ExecutionState, reason: String, isOurs: Bool)) async throws {
        try await rich(backend) { world async throws in
            let reservation = try #require(try await world.submit().reservation)
            let outcome = try #require(try await world.settle(reservation.executionID, end.state, end.reason))
            #expect(outcome.isWaived == end.isOurs)
            #expect(outcome.chargedCents == (end.isOurs ? 0 : 101))
            let access = try await world.access()
            #expect(access.quota.used == (end.isOurs ? 0 : 1))
            #expect(access.reservedCents == 0)
            // The rate counts what was asked of the machines.
            #expect(access.rate.used == 1)
            try await Books.check(world)
        }
    }

    @Test("one that is canceled before it ran costs nothing", arguments: Backend.allCases)
    func canceled(_ backend: Backend) async throws {
        try await rich(backend) { world async throws in
            try await world.grant(uses: 1)
            let reservation = try #require(try await world.submit().reservation)
            #expect(try await world.denial()?.code == .notEntitled)
            let outcome = try await world.settle(reservation.executionID, .canceled, "canceled", nil)
            #expect(outcome?.isWaived == true)
            #expect(try await world.access().quota.used == 0)
            // The grant's use comes back too.
            #expect(try await world.submit().isAdmitted)
        }
    }

    @Test("an agent whose price is in another token costs the rates only", arguments: Backend.allCases)
    func otherToken(_ backend: Backend) async throws {
        try await rich(backend) { world async throws in
            try await world.change(agent: {
                $0.price = "12.5"
                $0.priceToken = "ETH"
            })
            let reservation = try #require(try await world.submit().reservation)
            #expect(reservation.estimateCents == 105)
            #expect(try await world.settle(reservation.executionID)?.chargedCents == 1)
            try await Books.check(world)
        }
    }

    @Test("refunds give back what was charged, each once, and no more", arguments: Backend.allCases)
    func refund(_ backend: Backend) async throws {
        try await rich(backend) { world async throws in
            let id = try #require(try await world.submit().reservation?.executionID)
            func refund(_ cents: Int?, _ reference: String) async throws -> Int {
                try await world.database.transaction(isolation: .readCommitted) { transaction async throws in
                    try await world.settlement.refund(
                        id, cents: cents, reference: reference, by: "test", in: transaction)
                }
            }
            await #expect(throws: EntitlementError.self) { _ = try await refund(1, "early") }
            try await world.settle(id)
            #expect(try await refund(40, "one") == 40)
            #expect(try await refund(40, "one") == 0)
            await #expect(throws: EntitlementError.self) { _ = try await refund(62, "two") }
            #expect(try await refund(nil, "three") == 61)
            await #expect(throws: EntitlementError.self) { _ = try await refund(nil, "four") }
            #expect(try await world.access().balanceCents == 100_000)
            #expect(try await world.access().monthSpentCents == 0)
            #expect(try await world.agents.statistics(of: world.agent.id, in: world.database).revenueCents == 0)
            try await Books.check(world)
        }
    }

    @Test("a deposit counts once by its reference", arguments: Backend.allCases)
    func deposit(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            func deposit(_ cents: Int, _ reference: String) async throws -> Bool {
                try await world.database.transaction(isolation: .readCommitted) { transaction async throws in
                    try await world.ledger.deposit(
                        cents, to: world.user.id, reference: reference, by: "test", in: transaction)
                }
            }
            #expect(try await deposit(500, "pay_1"))
            #expect(try await deposit(500, "pay_1") == false)
            #expect(try await deposit(1, "pay_2"))
            await #expect(throws: EntitlementError.self) { _ = try await deposit(0, "pay_3") }
            #expect(try await world.access().balanceCents == 501)
            try await Books.check(world)
        }
    }

    @Test("two users' payments may have the same reference", arguments: Backend.allCases)
    func sameReference(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            func deposit(_ cents: Int, to userID: String) async throws -> Bool {
                try await world.database.transaction(isolation: .readCommitted) { transaction async throws in
                    try await world.ledger.deposit(
                        cents, to: userID, reference: "pay_1", by: "test", in: transaction)
                }
            }
            for (id, cents) in [(world.user.id, 500), (world.developer.id, 70)] {
                #expect(try await deposit(cents, to: id))
                #expect(try await deposit(cents, to: id) == false)
                let entries = try await world.ledger.entries(of: id, in: world.database).elements
                #expect(entries.map(\.cents) == [cents])
                #expect(try await world.users.access(of: id, in: world.database)?.balanceCents == cents)
            }
            #expect(try await world.count("ledger") == 4)
            try await Books.check(world)
        }
    }

    @Test("a transfer between other accounts does not take a name that is used", arguments: Backend.allCases)
    func usedName(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            func record(to account: String) async throws -> Bool {
                try await world.database.transaction(isolation: .readCommitted) { transaction async throws in
                    try await world.ledger.record(
                        [.init(account: account, cents: 5), .init(account: Ledger.compute, cents: -5)],
                        transfer: "test", kind: .adjustment, in: transaction)
                }
            }
            #expect(try await record(to: Ledger.agent("one")))
            #expect(try await record(to: Ledger.agent("one")) == false)
            await #expect(throws: EntitlementError.self) { _ = try await record(to: Ledger.agent("two")) }
            #expect(try await world.count("ledger") == 2)
            try await Books.check(world)
        }
    }

    @Test("prices are decimal numbers, in whole cents where they are charged")
    func prices() throws {
        for (text, cents) in [("0", 0), ("0.00", 0), ("0.5", 50), ("12", 1200), ("1.230", 123), ("0.01", 1)] {
            #expect(try Price(amount: text, token: "USD").centsPerExecution == cents)
        }
        #expect(try Price(amount: "0.000000000000000001", token: "ETH").centsPerExecution == 0)
        #expect(try Price(amount: "0.000000000000000001", token: "ETH").isFree == false)
        for text in ["", ".", "1.", ".5", "-1", "1e3", "1,5", "0x1", "1.2.3", "1.234", " 1", "１", "9999999999999"] {
            #expect(throws: EntitlementError.self) { try Price(amount: text, token: "USD") }
        }
        #expect(throws: EntitlementError.self) { try Price(amount: "1", token: "") }
    }

    @Test("more use never costs less, and sums of any size do not overflow")
    func rates() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<2000 {
            func number() -> Int { Int.random(in: 0...(1 << Int.random(in: 1...62)), using: &random) }
            let rates = Rates(cpuSecond: number() >> 22, gibSecond: number() >> 22, egressGiB: number() >> 22)
            var usage = StoredUsage.some
            usage.cpuMilliseconds = number()
            usage.wallMilliseconds = number()
            usage.maxMemoryBytes = number()
            usage.egressBytes = number()
            let cents = rates.cents(.init(usage))
            usage.cpuMilliseconds += min(1, Int.max - usage.cpuMilliseconds)
            #expect(rates.cents(.init(usage)) >= cents)
            #expect(cents >= 0)
        }
    }
}
