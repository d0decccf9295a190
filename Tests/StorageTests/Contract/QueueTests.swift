import DatabaseFixtures
import Foundation
import NIOConcurrencyHelpers
import Testing

@testable import Storage

@Suite("The queue")
struct QueueTests {
    private struct Refused: Error {}

    private let queue = ExecutionQueue()
    private let usage = StoredUsage(
        wallMilliseconds: 1, cpuMilliseconds: 2, maxMemoryBytes: 3, logBytes: 4, egressBytes: 5)

    private func withQueue<Result>(
        _ backend: Backend, _ body: (Database) async throws -> Result
    ) async throws -> Result {
        try await backend.withDatabase { database in
            try await database.migrate()
            return try await body(database)
        }
    }

    @discardableResult
    private func submit(
        _ database: Database, _ id: String, user: String = "usr_a", priority: Int = 0,
        patience: Duration = .seconds(600),
        queue: ExecutionQueue = ExecutionQueue()
    ) async throws -> Bool {
        let submission = ExecutionQueue.Submission(
            id: id, userID: user, agentID: "agt_1", priority: priority, request: "{}", patience: patience)
        return try await database.transaction(isolation: .readCommitted) { try await queue.submit(submission, in: $0) }
    }

    private func claim(
        _ database: Database, for holder: String = "node-1", queue: ExecutionQueue = ExecutionQueue()
    ) async throws -> ExecutionQueue.Claim? {
        try await database.transaction(isolation: .readCommitted) {
            try await queue.claim(for: holder, startingWithin: .seconds(60), in: $0)
        }
    }

    private func renew(
        _ database: Database, _ leases: [ExecutionQueue.Lease]
    ) async throws -> [ExecutionQueue.Lease: Cancellation?] {
        try await database.transaction(isolation: .readCommitted) { try await ExecutionQueue().renew(leases, in: $0) }
    }

    private func finish(_ database: Database, _ lease: ExecutionQueue.Lease) async throws {
        try await database.transaction(isolation: .readCommitted) {
            try await queue.finish(lease, as: .succeeded, ending: "{}", usage: usage, in: $0)
        }
    }

    private func refusal(_ operation: () async throws -> Void) async throws -> QueueError.Code? {
        do {
            try await operation()
            return nil
        } catch let error as QueueError {
            return error.code
        }
    }

    /// Claims and ends everything; the order in which that went.
    private func drain(_ database: Database) async throws -> [String] {
        var order: [String] = []
        while let claim = try await claim(database) {
            order.append(claim.execution.id)
            try await finish(database, claim.lease)
        }
        return order
    }

    @Test("keeps what is submitted, once, however often that is done", arguments: Backend.allCases)
    func submitted(_ backend: Backend) async throws {
        try await withQueue(backend) { database async throws in
            #expect(try await submit(database, "exe_1"))
            #expect(try await !submit(database, "exe_1", user: "usr_b", priority: 9))
            let execution = try #require(try await queue.find("exe_1", in: database))
            #expect(execution.state == .queued)
            #expect(execution.userID == "usr_a")
            #expect(execution.fence == 0)
            #expect(execution.deadline.timeIntervalSince(execution.createdAt) == 600)
            // The database's clock is this machine's.
            #expect(abs(execution.createdAt.timeIntervalSinceNow) < 300)
            await #expect(throws: Refused.self) {
                try await database.transaction(isolation: .readCommitted) { transaction in
                    let submission = ExecutionQueue.Submission(
                        id: "exe_2", userID: "usr_a", agentID: nil, request: "{}", patience: .seconds(1))
                    try await queue.submit(submission, in: transaction)
                    throw Refused()
                }
            }
            #expect(try await queue.find("exe_2", in: database) == nil)
        }
    }

    @Test("gives out by priority, then age", arguments: Backend.allCases)
    func order(_ backend: Backend) async throws {
        try await withQueue(backend) { database async throws in
            for (id, priority) in [("a", 0), ("b", 5), ("c", -1), ("d", 0), ("e", 5)] {
                try await submit(database, id, priority: priority)
            }
            #expect(try await drain(database) == ["b", "e", "a", "d", "c"])
            #expect(try await claim(database) == nil)
        }
    }

    @Test("lets users take turns: many of one do not hold up the first of another", arguments: Backend.allCases)
    func turns(_ backend: Backend) async throws {
        try await withQueue(backend) { database async throws in
            for number in 0..<20 { try await submit(database, "many-\(number)", user: "usr_many") }
            for _ in 0..<5 { #expect(try await claim(database) != nil) }
            for number in 0..<3 { try await submit(database, "few-\(number)", user: "usr_few") }
            let order = try await drain(database)
            // One of the many between each two of the few.
            #expect(Array(order.prefix(6)).filter { $0.hasPrefix("few") } == ["few-0", "few-1", "few-2"])
            #expect(order.filter { $0.hasPrefix("many") } == (5..<20).map { "many-\($0)" })
        }
    }

    @Test("does not starve one who waits while others come back at once", arguments: Backend.allCases)
    func starvation(_ backend: Backend) async throws {
        try await withQueue(backend) { database async throws in
            for number in 0..<4 { try await submit(database, "slow-\(number)", user: "usr_slow") }
            for user in ["x", "y"] { try await submit(database, "\(user)-0", user: user) }
            var order: [String] = []
            for round in 1...15 {
                let claim = try #require(try await claim(database))
                order.append(claim.execution.id)
                try await finish(database, claim.lease)
                let user = claim.execution.userID
                if user != "usr_slow" { try await submit(database, "\(user)-\(round)", user: user) }
            }
            #expect(order.filter { $0.hasPrefix("slow") } == (0..<4).map { "slow-\($0)" })
            // Someone who was away for all that has no debt and no credit.
            try await submit(database, "z-late-0", user: "usr_late")
            try await submit(database, "z-late-1", user: "usr_late")
            let next = Array(try await drain(database).prefix(3))
            #expect(next.contains("z-late-0"))
            #expect(!next.contains("z-late-1"))
        }
    }

    @Test("gives each to one claimer only, while others submit", arguments: Backend.allCases)
    func once(_ backend: Backend) async throws {
        try await backend.withLocation { location in
            _ = try await location.withDatabase { try await $0.migrate() }
            let claimed = NIOLockedValueBox<[String]>([])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for node in 0..<3 {
                    group.addTask {
                        try await location.withDatabase { database in
                            try await withThrowingTaskGroup(of: Void.self) { tasks in
                                tasks.addTask {
                                    for number in 0..<40 {
                                        try await submit(database, "exe_\(node)_\(number)", user: "usr_\(number % 7)")
                                    }
                                }
                                for _ in 0..<3 {
                                    tasks.addTask {
                                        while claimed.withLockedValue({ $0.count }) < 120 {
                                            guard let claim = try await claim(database, for: "node-\(node)") else {
                                                await Task.yield()
                                                continue
                                            }
                                            #expect(claim.lease.fence == 1)
                                            claimed.withLockedValue { $0.append(claim.execution.id) }
                                        }
                                    }
                                }
                                try await tasks.waitForAll()
                            }
                        }
                    }
                }
                try await group.waitForAll()
            }
            let ids = claimed.withLockedValue { $0 }
            #expect(ids.count == 120)
            #expect(Set(ids).count == 120)
        }
    }

    @Test("is full at its capacity, and has room again", arguments: Backend.allCases)
    func full(_ backend: Backend) async throws {
        var configuration = ExecutionQueue.Configuration()
        configuration.capacity = 3
        let queue = ExecutionQueue(configuration)
        try await withQueue(backend) { database async throws in
            for number in 0..<3 { try await submit(database, "\(number)", queue: queue) }
            #expect(try await refusal { try await submit(database, "3", queue: queue) } == .queueFull)
            // That one is in already.
            #expect(try await !submit(database, "2", queue: queue))
            #expect(try await claim(database) != nil)
            #expect(try await submit(database, "3", queue: queue))
        }
    }

    @Test("knows who holds what, and stores an ending once, with its usage", arguments: Backend.allCases)
    func held(_ backend: Backend) async throws {
        try await withQueue(backend) { database async throws in
            try await submit(database, "exe_1")
            let claim = try #require(try await claim(database, for: "node-1"))
            #expect(try await queue.held(by: "node-1", in: database).map(\.lease) == [claim.lease])
            #expect(try await queue.held(by: "node-2", in: database).isEmpty)
            #expect(try await renew(database, [claim.lease]) == [claim.lease: nil])
            try await database.transaction {
                try await queue.markRunning(claim.lease, launch: "{}", for: .seconds(9), in: $0)
            }
            #expect(try await queue.find("exe_1", in: database)?.state == .running)
            let stolen = ExecutionQueue.Lease(executionID: "exe_1", holder: "node-1", fence: 2)
            #expect(try await renew(database, [stolen]).isEmpty)
            #expect(try await refusal { try await finish(database, stolen) } == .leaseLost)
            try await finish(database, claim.lease)
            #expect(try await refusal { try await finish(database, claim.lease) } == .leaseLost)
            #expect(try await renew(database, [claim.lease]).isEmpty)
            let execution = try #require(try await queue.find("exe_1", in: database))
            #expect(execution.state == .succeeded)
            #expect(execution.leaseHolder == nil)
            #expect(execution.finishedAt != nil)
            let row = try #require(
                try await database.query("SELECT max_memory_bytes, egress_bytes FROM execution_usage").first)
            #expect(try row["max_memory_bytes"] == 3)
            #expect(try row["egress_bytes"] == 5)
        }
    }

    @Test("ends what has lost its holder, and its holder has lost it", arguments: Backend.allCases)
    func expired(_ backend: Backend) async throws {
        var configuration = ExecutionQueue.Configuration()
        configuration.lease = .milliseconds(1)
        let brief = ExecutionQueue(configuration)
        try await withQueue(backend) { database async throws in
            try await submit(database, "exe_1")
            let claim = try #require(try await claim(database, queue: brief))
            try await eventually { try await !queue.overdue(in: database).isEmpty }
            let stale = try #require(try await queue.overdue(in: database).first)

            // Its holder comes back before anybody has acted.
            #expect(try await renew(database, [claim.lease]) == [claim.lease: nil])
            let isEnded = try await database.transaction(isolation: .readCommitted) {
                try await queue.endOverdue(stale, as: .lost, ending: "{}", in: $0)
            }
            #expect(!isEnded)
            #expect(try await queue.overdue(in: database).isEmpty)

            // Now it does not.
            _ = try await database.transaction { try await brief.renew([claim.lease], in: $0) }
            try await eventually { try await !queue.overdue(in: database).isEmpty }
            let isLost = try await database.transaction(isolation: .readCommitted) {
                try await queue.endOverdue(stale, as: .lost, ending: "{}", in: $0)
            }
            #expect(isLost)
            #expect(try await queue.find("exe_1", in: database)?.state == .lost)
            #expect(try await renew(database, [claim.lease]).isEmpty)
            #expect(try await refusal { try await finish(database, claim.lease) } == .leaseLost)
            #expect(try await self.claim(database) == nil)
        }
    }

    @Test("ends what has waited for too long", arguments: Backend.allCases)
    func patience(_ backend: Backend) async throws {
        try await withQueue(backend) { database async throws in
            try await submit(database, "exe_1", patience: .milliseconds(1))
            try await submit(database, "exe_2")
            try await eventually { try await !queue.overdue(in: database).isEmpty }
            let overdue = try await queue.overdue(in: database)
            #expect(overdue.map(\.id) == ["exe_1"])
            for execution in overdue {
                let isEnded = try await database.transaction(isolation: .readCommitted) {
                    try await queue.endOverdue(execution, as: .lost, ending: "{}", in: $0)
                }
                #expect(isEnded)
            }
            #expect(try await drain(database) == ["exe_2"])
        }
    }

    @Test("cancels in every state", arguments: Backend.allCases)
    func cancelled(_ backend: Backend) async throws {
        try await withQueue(backend) { database async throws in
            func cancel(_ id: String) async throws -> StoredExecution? {
                try await database.transaction(isolation: .readCommitted) {
                    try await queue.cancel(id, ending: "{\"reason\":\"canceled\"}", in: $0)
                }
            }
            #expect(try await cancel("absent") == nil)

            try await submit(database, "waiting")
            let waiting = try #require(try await cancel("waiting"))
            #expect(waiting.state == .canceled)
            #expect(waiting.ending == "{\"reason\":\"canceled\"}")
            #expect(try await claim(database) == nil)

            for state in [ExecutionState.starting, .running, .stopping] {
                let id = "exe_\(state)"
                try await submit(database, id)
                let claim = try #require(try await claim(database))
                try await database.transaction(isolation: .readCommitted) { transaction in
                    if state != .starting {
                        try await queue.markRunning(claim.lease, launch: "{}", for: .seconds(9), in: transaction)
                    }
                    if state == .stopping {
                        try await queue.markStopping(claim.lease, for: .seconds(9), in: transaction)
                    }
                }
                let asked = try #require(try await cancel(id))
                #expect(asked.state == state)
                let firstAsked = try #require(asked.cancellation)
                #expect(try await cancel(id)?.cancellation == firstAsked)
                #expect(try await renew(database, [claim.lease]) == [claim.lease: firstAsked])
                try await finish(database, claim.lease)
                #expect(try await cancel(id)?.state == .succeeded)
            }
        }
    }

    @Test("tells those who listen", .timeLimit(.minutes(5)), arguments: Backend.allCases)
    func notifications(_ backend: Backend) async throws {
        try await withQueue(backend) { database async throws in
            try await database.withNotifications(ExecutionQueue.submitted) { submitted in
                var submitted = submitted.makeAsyncIterator()
                #expect(try await submitted.next() == .catchUp)
                try await database.withNotifications(ExecutionQueue.changed) { ended in
                    var ended = ended.makeAsyncIterator()
                    #expect(try await ended.next() == .catchUp)
                    try await submit(database, "exe_1")
                    SubmissionBell(database).ring()
                    #expect(try await submitted.next() == .message(""))
                    let claim = try #require(try await claim(database))
                    #expect(try await ended.next() == .message("exe_1"))
                    try await finish(database, claim.lease)
                    #expect(try await ended.next() == .message("exe_1"))
                }
            }
        }
    }
}
