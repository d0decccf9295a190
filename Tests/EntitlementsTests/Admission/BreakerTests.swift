import DatabaseFixtures
import Foundation
import Storage
import Testing

@testable import Entitlements

@Suite("The circuit breaker")
struct BreakerTests {
    private func admitted(_ world: World) async throws -> String {
        try #require(try await world.submit().reservation?.executionID)
    }

    private func fail(_ world: World, _ count: Int) async throws {
        for _ in 0..<count {
            let id = try await admitted(world)
            world.clock.advance(1)
            try await world.settle(id, .failed, "engine_error", nil)
        }
    }

    private func state(_ world: World) async throws -> Gate.BreakerState {
        try await Gate().state(in: world.database).breaker(.init(), at: world.clock.now)
    }

    @Test(
        "opens on engine failures, lets one probe through, and closes or opens by its end", arguments: Backend.allCases)
    func opens(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            try await world.unlimit()
            let early = try await admitted(world)
            try await fail(world, 4)
            #expect(try await state(world) == .closed)
            try await fail(world, 1)
            #expect(try await state(world) == .open)
            let denial = try #require(try await world.denial())
            #expect(denial.code == .engineUnavailable)
            #expect(denial.rule == .gate)
            #expect(denial.message.contains("5 of 5"))
            #expect(denial.resetAt == world.clock.now + 30)
            world.clock.advance(30)
            #expect(try await state(world) == .halfOpen)
            let probe = try #require(try await world.submit().reservation)
            #expect(probe.isProbe)
            #expect(try await world.denial()?.code == .engineUnavailable)
            #expect(try await Gate().state(in: world.database).probe == probe.executionID)
            // Others that end say nothing.
            try await world.settle(early)
            #expect(try await state(world) == .halfOpen)
            try await world.settle(probe.executionID, .failed, "engine_error", nil)
            #expect(try await state(world) == .open)
            world.clock.advance(30)
            let unused = try #require(try await world.submit().reservation)
            // A probe that never ran leaves its place to another.
            try await world.settle(unused.executionID, .canceled, "canceled", nil)
            #expect(try await state(world) == .halfOpen)
            let second = try #require(try await world.submit().reservation)
            #expect(second.isProbe)
            try await world.settle(second.executionID, .failed, "exit")
            #expect(try await state(world) == .closed)
            #expect(try await world.submit().reservation?.isProbe == false)
        }
    }

    @Test("stays closed while most executions are run", arguments: Backend.allCases)
    func share(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            try await world.unlimit()
            for _ in 0..<6 { try await world.settle(try await admitted(world)) }
            try await fail(world, 5)
            #expect(try await state(world) == .closed)
            try await fail(world, 1)
            #expect(try await state(world) == .open)
        }
    }

    @Test("forgets failures that are a while ago, and does not wait for a probe for ever", arguments: Backend.allCases)
    func forgets(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            try await world.unlimit()
            try await fail(world, 4)
            world.clock.advance(60)
            try await fail(world, 4)
            #expect(try await state(world) == .closed)
            try await fail(world, 1)
            world.clock.advance(30)
            #expect(try await world.submit().isAdmitted)
            #expect(try await world.denial() != nil)
            world.clock.advance(600)
            #expect(try await world.submit().reservation?.isProbe == true)
        }
    }

    @Test("lets one probe through, of many that come at once", .timeLimit(.minutes(5)), arguments: Backend.allCases)
    func oneProbe(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            try await world.unlimit()
            try await fail(world, 5)
            world.clock.advance(30)
            let users = try await world.manyUsers(8)
            let outcome = try await ContentionTests.flood(64, tasks: 16) { number in
                try await world.submit(world.request(user: users[number % 8]))
            }
            #expect(outcome.admitted == 1)
            #expect(outcome.denied == [.engineUnavailable: 63])
            try await Books.check(world)
        }
    }
}
