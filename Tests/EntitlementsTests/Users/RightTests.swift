import DatabaseFixtures
import Foundation
import NIOConcurrencyHelpers
import Storage
import Testing

@testable import Entitlements

@Suite("Rights by chain")
struct RightTests {
    /// A chain that says what a test wants, or cannot be reached.
    private final class Chain: RightSource {
        struct Away: Error {}
        let answer = NIOLockedValueBox<Bool?>(true)
        let asked = NIOLockedValueBox(0)

        func hasRight(_ user: User, to agent: Agent) async throws -> Bool {
            asked.withLockedValue { $0 += 1 }
            guard let answer = answer.withLockedValue({ $0 }) else { throw Away() }
            return answer
        }
    }

    private func onChain(_ world: World) async throws {
        try await world.change(agent: {
            $0.price = "1.5"
            $0.priceToken = "ETH"
        })
        _ = try await world.users.setProfile(
            world.user.id, name: nil, walletAddress: "0xabc", in: world.database)
    }

    @Test("are believed for their age, and then a chain that is away denies", arguments: Backend.allCases)
    func age(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            try await onChain(world)
            try await world.unlimit()
            let chain = Chain()
            let rights = ChainRights(chain, age: 300, now: world.clock.read)
            func refresh() async throws -> ChainRights.Outcome {
                try await rights.refresh(userID: world.user.id, agentID: world.agent.id, on: world.database)
            }
            #expect(try await world.denial()?.code == .notEntitled)
            #expect(try await refresh() == .confirmed)
            #expect(try await world.submit().reservation?.right == .chain)
            #expect(try await refresh() == .known)
            #expect(chain.asked.withLockedValue { $0 } == 1)
            chain.answer.withLockedValue { $0 = nil }
            world.clock.advance(299)
            #expect(try await refresh() == .unreachable)
            #expect(try await world.submit().isAdmitted)
            world.clock.advance(1)
            #expect(try await refresh() == .unreachable)
            #expect(try await world.denial()?.message.contains("too long ago") == true)
            chain.answer.withLockedValue { $0 = true }
            #expect(try await refresh() == .confirmed)
            #expect(try await world.submit().isAdmitted)
            chain.answer.withLockedValue { $0 = false }
            world.clock.advance(200)
            #expect(try await refresh() == .absent)
            #expect(try await world.denial()?.code == .notEntitled)
        }
    }

    @Test("are not asked for where no chain has a say", arguments: Backend.allCases)
    func unasked(_ backend: Backend) async throws {
        try await World.with(backend, price: "1.00") { world async throws in
            let chain = Chain()
            let rights = ChainRights(chain, now: world.clock.read)
            #expect(
                try await rights.refresh(userID: world.user.id, agentID: world.agent.id, on: world.database) == .known)
            #expect(chain.asked.withLockedValue { $0 } == 0)
        }
    }

    @Test("a chain that does not answer is not waited for", .timeLimit(.minutes(5)))
    func hangs() async throws {
        struct Hanging: RightSource {
            func hasRight(_ user: User, to agent: Agent) async throws -> Bool {
                try await Task.sleep(for: .seconds(600))
                return true
            }
        }
        try await World.with(.sqlite) { world async throws in
            try await onChain(world)
            let rights = ChainRights(Hanging(), timeout: .milliseconds(50), now: world.clock.read)
            #expect(
                try await rights.refresh(userID: world.user.id, agentID: world.agent.id, on: world.database)
                    == .unreachable)
        }
    }
}
