import DatabaseFixtures
import Foundation
import Storage
import Testing

@testable import Entitlements

@Suite("Under contention, exactly the right number is admitted", .serialized)
struct ContentionTests {
    enum Bound: String, CaseIterable, Sendable {
        case quota, concurrency, rate, balance, grant, agent

        var admitted: Int {
            switch self {
            case .quota: 5
            case .concurrency: 3
            case .rate: 10
            case .balance: 7
            case .grant: 4
            case .agent: 6
            }
        }

        var code: Denial.Code {
            switch self {
            case .quota: .quotaExceeded
            case .concurrency, .agent: .concurrencyLimited
            case .rate: .rateLimited
            case .balance: .insufficientBalance
            case .grant: .notEntitled
            }
        }

        func prepare(_ world: World) async throws {
            try await world.unlimit()
            switch self {
            case .quota: try await world.change { $0.executionsPerDay = .set(5) }
            case .concurrency: try await world.change { $0.maxConcurrent = .set(3) }
            case .rate: try await world.change { $0.executionsPerHour = .set(10) }
            case .balance:
                try await world.grant()
                try await world.change(agent: { $0.price = "1.00" })
                try await world.change { $0.balanceCents = 799 }
            case .grant:
                try await world.change(agent: { $0.price = "1.00" })
                try await world.change { $0.balanceCents = 100_000 }
                try await world.grant(uses: 4)
            case .agent: try await world.change(agent: { $0.maxConcurrent = 6 })
            }
        }
    }

    @Test(
        "10,000 submits from 64 tasks", .timeLimit(.minutes(10)), arguments: Backend.allCases,
        [Bound.quota, .concurrency, .rate, .balance])
    func tasks(_ backend: Backend, _ bound: Bound) async throws {
        try await World.with(backend) { world async throws in
            try await bound.prepare(world)
            let outcome = try await Self.flood(10_000, tasks: 64) { _ in try await world.submit() }
            #expect(outcome.admitted == bound.admitted)
            #expect(outcome.denied == [bound.code: 10_000 - bound.admitted])
            #expect(try await world.count("executions") == bound.admitted)
            try await Books.check(world)
        }
    }

    @Test(
        "of a grant with few uses, and of an agent that all share", .timeLimit(.minutes(10)),
        arguments: Backend.allCases, [Bound.grant, .agent])
    func shared(_ backend: Backend, _ bound: Bound) async throws {
        try await World.with(backend) { world async throws in
            try await bound.prepare(world)
            let users = try await world.manyUsers(bound == .agent ? 8 : 0)
            let outcome = try await Self.flood(500, tasks: 32) { number in
                let user = users.isEmpty ? nil : users[number % users.count]
                return try await world.submit(world.request(user: user))
            }
            #expect(outcome.admitted == bound.admitted)
            #expect(outcome.denied == [bound.code: 500 - bound.admitted])
            try await Books.check(world)
        }
    }

    /// Runs submits on several tasks at once, and counts what came of them.
    static func flood(
        _ count: Int, tasks: Int, _ submit: @escaping @Sendable (Int) async throws -> Decision
    ) async throws -> (admitted: Int, denied: [Denial.Code: Int]) {
        try await withThrowingTaskGroup(of: (Int, [Denial.Code: Int]).self) { group in
            for task in 0..<tasks {
                group.addTask {
                    var (admitted, denied) = (0, [Denial.Code: Int]())
                    for number in stride(from: task, to: count, by: tasks) {
                        switch try await submit(number) {
                        case .admitted: admitted += 1
                        case .admittedBefore: Issue.record("an id was used twice")
                        case .denied(let denial): denied[denial.code, default: 0] += 1
                        }
                    }
                    return (admitted, denied)
                }
            }
            var (admitted, denied) = (0, [Denial.Code: Int]())
            for try await part in group {
                admitted += part.0
                denied.merge(part.1, uniquingKeysWith: +)
            }
            return (admitted, denied)
        }
    }
}

extension World {
    /// Users without limits of their own.
    func manyUsers(_ count: Int) async throws -> [String] {
        var ids: [String] = []
        for number in 0..<count {
            let id = "usr_\(number)"
            try await database.transaction { _ = try await users.ensure(id, in: $0) }
            try await unlimit(id)
            ids.append(id)
        }
        return ids
    }
}
