import DatabaseFixtures
import Foundation
import Storage
import Testing

@testable import Entitlements

@Suite("Rules")
struct RuleTests {
    @Test("admit who fulfils them, once, and enqueue with the tier's priority", arguments: Backend.allCases)
    func admitted(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            try await world.change { $0.tier = 2 }
            let request = world.request()
            let reservation = try #require(try await world.submit(request).reservation)
            #expect(reservation.version.imageDigest == World.digest)
            #expect(reservation.limits.memoryMiB == 512)
            #expect(reservation.right == .free)
            #expect(reservation.estimateCents == 0)
            let stored = try #require(try await ExecutionQueue().find(request.executionID, in: world.database))
            #expect(stored.state == .queued)
            #expect(stored.priority == 10)
            #expect(stored.agentID == world.agent.id)
            guard case .admittedBefore = try await world.submit(request) else {
                Issue.record("the same execution was decided twice")
                return
            }
            let access = try await world.access()
            #expect(access.quota.used == 1)
            #expect(access.concurrent.used == 1)
            #expect(access.rate.used == 1)
            #expect(try await world.count("audit_pending WHERE action = 'execution.admitted'") == 1)
        }
    }

    @Test("1: nothing is admitted while paused, and who paused it and why is known", arguments: Backend.allCases)
    func paused(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            let gate = Gate()
            try await world.database.transaction { transaction async throws in
                #expect(try await gate.pause(by: "root", reason: "an update", in: transaction))
                #expect(try await gate.pause(by: "other", reason: nil, in: transaction) == false)
            }
            let denial = try #require(try await world.denial())
            #expect(denial.code == .paused)
            #expect(denial.rule == .gate)
            #expect(denial.message.contains("an update"))
            #expect(try await gate.state(in: world.database).pausedBy == "root")
            try await world.database.transaction { transaction async throws in
                #expect(try await gate.resume(by: "root", in: transaction))
                #expect(try await gate.resume(by: "root", in: transaction) == false)
            }
            #expect(try await world.denial() == nil)
        }
    }

    @Test("2: a suspended user is denied, and one that is not known", arguments: Backend.allCases)
    func user(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            try await world.change { $0.suspended = true }
            #expect(try await world.denial()?.code == .suspended)
            try await world.change { $0.suspended = false }
            #expect(try await world.denial() == nil)
            let unknown = try #require(try await world.denial(world.request(user: "usr_nobody")))
            #expect(unknown.code == .notFound)
            #expect(unknown.rule == .user)
        }
    }

    @Test("3: an agent must be there, active, and pinned", arguments: Backend.allCases)
    func agent(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            var request = world.request()
            request.agentID = "agt_none"
            #expect(try await world.denial(request)?.code == .notFound)
            try await world.change(agent: { $0.isActive = false })
            #expect(try await world.denial()?.code == .conflict)
            try await world.change(agent: { $0.isActive = true })
            try await world.database.execute("UPDATE agent_versions SET image_digest = ''")
            let unpinned = try #require(try await world.denial())
            #expect(unpinned.code == .conflict)
            #expect(unpinned.rule == .agent)
            try await world.database.transaction { transaction async throws in
                #expect(try await world.agents.delete(world.agent.id, by: "test", in: transaction))
            }
            #expect(try await world.denial()?.code == .notFound)
        }
    }

    @Test("4: a right is needed: a grant that holds, no price, or to be its developer", arguments: Backend.allCases)
    func entitlement(_ backend: Backend) async throws {
        try await World.with(backend, price: "0.10") { world async throws in
            try await world.change { $0.balanceCents = 1000 }
            let none = try #require(try await world.denial())
            #expect(none.code == .notEntitled)
            #expect(none.rule == .entitlement)
            try await world.change(world.developer.id) { $0.balanceCents = 1000 }
            #expect(try await world.submit(world.request(user: world.developer.id)).reservation?.right == .developer)
            try await world.grant(source: .purchase)
            #expect(try await world.submit().reservation?.right == .purchase)
            try await world.database.transaction { transaction async throws in
                let revoked = try await world.grants.revoke(
                    userID: world.user.id, agentID: world.agent.id, by: "test", in: transaction)
                #expect(revoked == 1)
            }
            #expect(try await world.denial()?.message.contains("was revoked") == true)
            try await world.grant(expiresAt: world.clock.now + 60)
            #expect(try await world.submit().isAdmitted)
            world.clock.advance(60)
            #expect(try await world.denial()?.message.contains("has expired") == true)
            try await world.grant(uses: 2)
            #expect(try await world.submit().isAdmitted)
            #expect(try await world.submit().isAdmitted)
            #expect(try await world.denial()?.message.contains("all are used") == true)
            try await world.change(agent: { $0.price = "0.00" })
            #expect(try await world.submit().reservation?.right == .free)
        }
    }

    @Test("5: limits and network stay within the tier", arguments: Backend.allCases)
    func limits(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            var request = world.request()
            request.limits.memoryMiB = 2048
            let above = try #require(try await world.denial(request))
            #expect(above.code == .limitAboveMaximum)
            #expect(above.field == "limits.memoryMiB")
            #expect(above.limit == 1024)
            request.limits.memoryMiB = 3
            #expect(try await world.denial(request)?.code == .validationFailed)
            request.limits.memoryMiB = 1024
            request.hosts = (0..<9).map { "host\($0).example.com:443" }
            let hosts = try #require(try await world.denial(request))
            #expect(hosts.code == .tierTooLow)
            #expect(hosts.field == "network")
            request.hosts = ["host.example.com:443"]
            #expect(try await world.submit(request).reservation?.hosts == ["host.example.com:443"])
            try await world.change(agent: { $0.limits.memoryMiB = 4096 })
            #expect(try await world.denial()?.code == .tierTooLow)
            try await world.change { $0.tier = 3 }
            #expect(try await world.submit().reservation?.limits.memoryMiB == 4096)
        }
    }

    @Test("6: concurrent executions are limited, of the user and of the agent", arguments: Backend.allCases)
    func concurrency(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            try await world.change { $0.maxConcurrent = .set(2) }
            let first = try #require(try await world.submit().reservation)
            _ = try await world.submit()
            let denial = try #require(try await world.denial())
            #expect(denial.code == .concurrencyLimited)
            #expect(denial.limit == 2)
            #expect(denial.used == 2)
            try await world.settle(first.executionID)
            #expect(try await world.submit().isAdmitted)
            try await world.change { $0.maxConcurrent = .set(nil) }
            try await world.change(agent: { $0.maxConcurrent = 2 })
            let ofAgent = try #require(try await world.denial())
            #expect(ofAgent.rule == .concurrency)
            #expect(ofAgent.message.contains(world.agent.id))
            try await world.change(agent: { $0.maxConcurrent = 3 })
            #expect(try await world.submit().isAdmitted)
        }
    }

    @Test("7: executions an hour are limited, of the user and of the agent", arguments: Backend.allCases)
    func rate(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            try await world.unlimit()
            try await world.change { $0.executionsPerHour = .set(2) }
            _ = try await world.submit()
            world.clock.advance(600)
            _ = try await world.submit()
            let denial = try #require(try await world.denial())
            #expect(denial.code == .rateLimited)
            let reset = try #require(denial.resetAt)
            #expect(try await world.access().rate.resetAt == reset)
            #expect((2990...3010).contains(reset.timeIntervalSince(world.clock.now)))
            world.clock.advance(reset.timeIntervalSince(world.clock.now) - 0.001)
            #expect(try await world.denial() != nil)
            world.clock.advance(0.001)
            #expect(try await world.submit().isAdmitted)
            try await world.change { $0.executionsPerHour = .set(1000) }
            try await world.change(agent: { $0.executionsPerHour = 2 })
            let ofAgent = try #require(try await world.denial())
            #expect(ofAgent.rule == .rate)
            #expect(ofAgent.message.contains(world.agent.id))
            let agentReset = try #require(ofAgent.resetAt)
            world.clock.advance(agentReset.timeIntervalSince(world.clock.now))
            #expect(try await world.submit().isAdmitted)
        }
    }

    @Test("8: the day's quota is the tier's, or the user's own", arguments: Backend.allCases)
    func quota(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            try await world.change { $0.maxConcurrent = .set(100) }
            for _ in 0..<5 { #expect(try await world.submit().isAdmitted) }
            let denial = try #require(try await world.denial())
            #expect(denial.code == .quotaExceeded)
            #expect(denial.limit == 5)
            #expect(denial.used == 5)
            #expect(denial.resetAt == TestClock.date("2026-11-22T00:00:00Z"))
            #expect(try await world.access().quota == .init(limit: 5, used: 5, resetAt: denial.resetAt))
            try await world.change { $0.executionsPerDay = .set(6) }
            #expect(try await world.submit().isAdmitted)
            #expect(try await world.denial()?.code == .quotaExceeded)
        }
    }

    @Test("9: the estimate must be in the balance and within the month's limit", arguments: Backend.allCases)
    func money(_ backend: Backend) async throws {
        try await World.with(backend, price: "2.50") { world async throws in
            try await world.unlimit()
            try await world.grant()
            try await world.change { $0.balanceCents = 500 }
            let first = try #require(try await world.submit().reservation)
            #expect(first.estimateCents == 250)
            try await world.change { $0.balanceCents = 499 }
            let denial = try #require(try await world.denial())
            #expect(denial.code == .insufficientBalance)
            #expect(denial.limit == 499)
            #expect(denial.used == 250)
            #expect(denial.remaining == 249)
            #expect(denial.required == 250)
            try await world.change {
                $0.balanceCents = 10_000
                $0.monthlyLimitCents = .set(499)
            }
            let monthly = try #require(try await world.denial())
            #expect(monthly.code == .monthlyLimitExceeded)
            #expect(monthly.resetAt == TestClock.date("2026-12-01T00:00:00Z"))
            #expect(monthly.remaining == 249)
            #expect(try await world.access().monthUsedCents == monthly.used)
            try await world.settle(first.executionID)
            #expect(try await world.denial()?.code == .monthlyLimitExceeded)
            world.clock.set("2026-12-01T00:00:00Z")
            #expect(try await world.submit().isAdmitted)
        }
    }

    @Test("decide in their order, each hiding those behind it", arguments: Backend.allCases)
    func order(_ backend: Backend) async throws {
        try await World.with(backend, price: "1.00") { world async throws in
            // Everything is wrong at once; each step mends what the rule before it found.
            try await world.change {
                $0.suspended = true
                $0.maxConcurrent = .set(0)
                $0.executionsPerHour = .set(0)
                $0.executionsPerDay = .set(0)
            }
            try await world.change(agent: {
                $0.isActive = false
                $0.limits.memoryMiB = 2048
            })
            try await world.database.transaction { try await Gate().pause(by: "test", reason: nil, in: $0) }
            var seen: [Rule] = []
            func next() async throws { seen.append(try #require(try await world.denial()?.rule)) }
            try await next()
            let explained = try await world.admission.explain(world.request(), in: world.database)
            #expect(explained.verdicts.map(\.number) == Array(1...9))
            #expect(explained.verdicts.allSatisfy { $0.denial?.rule?.rawValue == $0.number })
            try await world.database.transaction { try await Gate().resume(by: "test", in: $0) }
            try await next()
            try await world.change { $0.suspended = false }
            try await next()
            try await world.change(agent: { $0.limits.memoryMiB = 2048 })
            try await next()
            try await world.grant()
            try await next()
            try await world.change { $0.tier = 2 }
            try await next()
            try await world.change { $0.maxConcurrent = .set(1) }
            try await next()
            try await world.change { $0.executionsPerHour = .set(1) }
            try await next()
            try await world.change { $0.executionsPerDay = .set(1) }
            try await next()
            try await world.change { $0.balanceCents = 100 }
            #expect(seen == Rule.allCases)
            #expect(try await world.admission.explain(world.request(), in: world.database).isAdmitted)
            #expect(try await world.submit().isAdmitted)
        }
    }

    @Test("explain reserves nothing", arguments: Backend.allCases)
    func explains(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            for _ in 0..<20 {
                #expect(try await world.admission.explain(world.request(), in: world.database).isAdmitted)
            }
            #expect(try await world.count("reservations") == 0)
            #expect(try await world.access().quota.used == 0)
        }
    }

    @Test("a database that is away denies")
    func away() async throws {
        let location = try DatabaseLocation(url: "postgresql:///none?host=/nowhere", stateFolder: "/")
        var configuration = Database.Configuration()
        configuration.acquireTimeout = .milliseconds(200)
        let database = Database(location, configuration: configuration, logger: .silent)
        let request = AdmissionRequest(executionID: "exe_1", userID: "usr_1", agentID: "agt_1")
        let decision = try await Admission().admit(request, on: database) { _ in "{}" }
        #expect(decision.denial?.code == .databaseUnavailable)
        #expect(decision.denial?.rule == .gate)
        await database.close()
    }

    @Test("a full queue denies, and nothing is reserved", arguments: Backend.allCases)
    func full(_ backend: Backend) async throws {
        try await World.with(backend) { world async throws in
            var configuration = Admission.Configuration()
            configuration.queue.capacity = 1
            let admission = Admission(configuration, now: world.clock.read)
            #expect(try await world.submit(with: admission).isAdmitted)
            #expect(try await world.submit(with: admission).denial?.code == .queueFull)
            #expect(try await world.access().quota.used == 1)
            #expect(try await world.count("reservations") == 1)
        }
    }
}
