import DatabaseFixtures
import Foundation
import Storage
import Testing

@testable import Entitlements

@Suite("Agents and users")
struct AgentTests {
    @Test("every field is checked, and all that are wrong are named")
    func fields() throws {
        var draft = World.draft()
        #expect(throws: Never.self) { try draft.validated() }
        draft.name = "ab"
        draft.description = "too short"
        draft.price = "1.234"
        draft.dockerImage = ""
        draft.imageDigest = "latest"
        draft.limits.memoryMiB = 1
        let error = #expect(throws: EntitlementError.self) { try draft.validated() }
        let paths = Set((error?.fields ?? []).map(\.path))
        #expect(paths == ["name", "description", "price", "dockerImage", "limits.memoryMiB"])
        draft = World.draft()
        draft.name = String(repeating: "é", count: 100)
        draft.description = String(repeating: "x", count: 1000)
        #expect(throws: Never.self) { try draft.validated() }
    }

    @Test("what is run is a new version, what is said of it is not", arguments: Backend.allCases)
    func versions(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            let first = try #require(try await world.submit().reservation)
            try await world.change(agent: { $0.name = "another name" })
            let other = "sha256:" + String(repeating: "cd", count: 32)
            #expect(try await world.agents.find(world.agent.id, in: world.database)?.version.number == 1)
            try await world.change(agent: { $0.imageDigest = other })
            let second = try #require(try await world.submit().reservation)
            #expect(first.version.number == 1)
            #expect(second.version.number == 2)
            #expect(second.version.imageDigest == other)
            let old = try await world.agents.version(1, of: world.agent.id, in: world.database)
            #expect(old?.imageDigest == World.digest)
        }
    }

    @Test("one that is deleted is listed no more, and keeps its versions", arguments: Backend.allCases)
    func deleted(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            #expect(try await world.agents.list(in: world.database).elements.map(\.id) == [world.agent.id])
            #expect(try await world.agents.list(category: .defi, in: world.database).elements.isEmpty)
            try await world.database.transaction(isolation: .readCommitted) { transaction async throws in
                #expect(try await world.agents.delete(world.agent.id, by: "test", in: transaction))
                #expect(try await world.agents.delete(world.agent.id, by: "test", in: transaction) == false)
            }
            #expect(try await world.agents.list(in: world.database).elements.isEmpty)
            #expect(try await world.agents.find(world.agent.id, in: world.database) == nil)
            let kept = try await world.agents.find(world.agent.id, isDeletedToo: true, in: world.database)
            #expect(kept?.deletedAt == world.clock.now)
            #expect(try await world.agents.version(1, of: world.agent.id, in: world.database) != nil)
        }
    }

    @Test("statistics tell how executions ended, and how long and large they were", arguments: Backend.allCases)
    func statistics(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            try await world.unlimit()
            let queue = ExecutionQueue()
            for number in 1...20 {
                let id = try #require(try await world.submit().reservation?.executionID)
                guard number < 20 else { break }
                try await world.database.transaction(isolation: .readCommitted) { transaction in
                    guard
                        let claim = try await queue.claim(
                            for: "node", startingWithin: .seconds(60), in: transaction)
                    else { return }
                    try await queue.markRunning(claim.lease, launch: "{}", for: .seconds(60), in: transaction)
                    let usage = StoredUsage(
                        wallMilliseconds: number * 100, cpuMilliseconds: 1, maxMemoryBytes: number << 20, logBytes: 0,
                        egressBytes: 0)
                    let state: ExecutionState = number <= 4 ? .failed : .succeeded
                    try await queue.finish(claim.lease, as: state, ending: "{}", usage: usage, in: transaction)
                }
                try await world.settle(id)
            }
            let statistics = try await world.agents.statistics(of: world.agent.id, in: world.database)
            #expect(statistics.executions == ["failed": 4, "succeeded": 15, "queued": 1])
            #expect(statistics.successRate == 15.0 / 19)
            #expect(statistics.wallMs == .init(p50: 1000, p95: 1900))
            #expect(statistics.memoryBytes == .init(p50: 10 << 20, p95: 19 << 20))
            #expect(statistics.revenueCents == 0)
            let none = try await world.agents.statistics(of: "agt_none", in: world.database)
            #expect(none.successRate == nil)
            #expect(none.wallMs == nil)
        }
    }

    @Test("a user is made once, whoever comes first", arguments: Backend.allCases)
    func ensure(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        try await world.database.transaction(isolation: .readCommitted) {
                            _ = try await world.users.ensure("usr_new", in: $0)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await world.count("users WHERE id = 'usr_new'") == 1)
            #expect(try await world.count("accounts WHERE user_id = 'usr_new'") == 1)
            for id in ["", "a b", "a\nb", String(repeating: "x", count: 201)] {
                await #expect(throws: EntitlementError.self) {
                    try await world.database.transaction { _ = try await world.users.ensure(id, in: $0) }
                }
            }
        }
    }

    @Test("what is not given of a change stays, and null takes the tier's", arguments: Backend.allCases)
    func accessChange(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            func apply(_ json: String) async throws {
                let change = try JSONDecoder().decode(AccessChange.self, from: Data(json.utf8))
                try await world.database.transaction(isolation: .readCommitted) { transaction in
                    try await world.users.setAccess(world.user.id, change, by: "test", in: transaction)
                }
            }
            try await apply(#"{"tier":3,"executionsPerDay":7,"balanceCents":500,"monthlyLimitCents":900}"#)
            var access = try await world.access()
            #expect(access.tier == 3)
            #expect(access.quota.limit == 7)
            #expect(access.balanceCents == 500)
            #expect(access.monthlyLimitCents == 900)
            try await apply(#"{"executionsPerDay":null,"maxConcurrent":2}"#)
            access = try await world.access()
            #expect(access.quota.limit == 20)
            #expect(access.concurrent.limit == 2)
            #expect(access.balanceCents == 500)
            for json in [#"{"tier":9}"#, #"{"maxConcurrent":-1}"#, #"{"balanceCents":-5}"#] {
                await #expect(throws: EntitlementError.self) { try await apply(json) }
            }
            try await Books.check(world)
        }
    }

    @Test("requests are limited in a sliding window, per subject")
    func requests() {
        let clock = TestClock()
        let limiter = RequestLimiter(limit: 3, window: 900, capacity: 4, now: clock.read)
        for left in [2, 1, 0] { #expect(limiter.admit("user:a").remaining == left) }
        let refused = limiter.admit("user:a")
        #expect(!refused.isAllowed)
        #expect(limiter.admit("user:b").isAllowed)
        #expect(limiter.admit("user:a", limit: 4).isAllowed)
        #expect(limiter.admit("user:a", limit: 0).isAllowed)
        clock.advance(refused.resetAt.timeIntervalSince(clock.now) - 0.01)
        #expect(!limiter.admit("user:a").isAllowed)
        clock.advance(0.02)
        #expect(limiter.admit("user:a").isAllowed)
        // However many addresses come, few are remembered; the newest among them.
        for number in 0..<100 { _ = limiter.admit("address:\(number)", limit: 1) }
        #expect(!limiter.admit("address:99", limit: 1).isAllowed)
    }
}
