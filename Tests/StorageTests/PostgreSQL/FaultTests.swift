import DatabaseFixtures
import Logging
import NIOConcurrencyHelpers
import Testing

@testable import Storage

/// A server of each test's own, which is stopped, killed and hung.
@Suite("PostgreSQL that fails", .serialized)
struct FaultTests {
    /// Where nothing is late, however busy the machine is.
    private static let steady: Database.Configuration = {
        var configuration = Database.Configuration()
        configuration.acquireTimeout = .seconds(60)
        configuration.statementTimeout = .seconds(60)
        configuration.connections = 4
        return configuration
    }()

    /// Where a deadline is waited for.
    private static let quick: Database.Configuration = {
        var configuration = steady
        configuration.acquireTimeout = .seconds(5)
        configuration.statementTimeout = .seconds(5)
        return configuration
    }()

    private func withServer<Result>(
        _ configuration: Database.Configuration = steady, logger: Logger = .silent,
        _ body: (PrivateCluster, Database) async throws -> Result
    ) async throws -> Result {
        try await PrivateCluster.with { cluster in
            let location = try DatabaseLocation(url: cluster.url(), stateFolder: "/")
            try await location.withDatabase(Self.steady) { database in
                _ = try await database.execute("CREATE TABLE records (id BIGINT NOT NULL PRIMARY KEY)")
            }
            return try await location.withDatabase(configuration, logger: logger) { database in
                try await body(cluster, database)
            }
        }
    }

    private func isBack(_ database: Database) async throws {
        try await eventually {
            do {
                return try await database.query("SELECT 1 AS one").first?["one"] == 1
            } catch let error as DatabaseError
                where [.databaseUnavailable, .databaseBusy, .statementTimeout].contains(error.code)
            {
                return false
            }
        }
    }

    /// Leaves several connections idle.
    private func warm(_ database: Database) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 { group.addTask { _ = try await database.query("SELECT pg_sleep(0.2)") } }
            try await group.waitForAll()
        }
    }

    @Test("stopped, it is unavailable within the deadline; started again, it goes on")
    func stopped() async throws {
        try await withServer(Self.quick) { cluster, database in
            try await cluster.send("stop")
            for _ in 0..<3 {
                let start = ContinuousClock.now
                let code = try await errorCode { try await database.execute("INSERT INTO records (id) VALUES (1)") }
                #expect(code == .databaseUnavailable)
                // The deadline is 5 s; the rest is for a busy machine.
                #expect(ContinuousClock.now - start < .seconds(60))
            }
            try await cluster.send("start")
            try await isBack(database)
            #expect(try await database.query("SELECT id FROM records").isEmpty)
        }
    }

    @Test("restarted while its connections are idle, nobody notices")
    func restarted() async throws {
        try await withServer { cluster, database in
            try await warm(database)
            try await cluster.send("kill")
            try await cluster.send("start")
            try await database.execute("INSERT INTO records (id) VALUES (1)")
            try await database.transaction { try await $0.execute("INSERT INTO records (id) VALUES (2)") }
            #expect(try await database.query("SELECT id FROM records").count == 2)
        }
    }

    @Test("killed in the middle of a transaction, nothing of that is written")
    func killedInTransaction() async throws {
        try await withServer { cluster, database in
            let code = try await errorCode {
                try await database.transaction { transaction in
                    try await transaction.execute("INSERT INTO records (id) VALUES (1)")
                    try await cluster.send("kill")
                    try await transaction.execute("INSERT INTO records (id) VALUES (2)")
                }
            }
            #expect(code == .databaseUnavailable)
            try await cluster.send("start")
            try await isBack(database)
            #expect(try await database.query("SELECT id FROM records").isEmpty)
        }
    }

    @Test("killed before a commit, the transaction says that its fate is not known")
    func killedBeforeCommit() async throws {
        try await withServer { cluster, database in
            let code = try await errorCode {
                try await database.transaction { transaction in
                    try await transaction.execute("INSERT INTO records (id) VALUES (1)")
                    try await cluster.send("kill")
                }
            }
            #expect(code == .commitUnknown)
            try await cluster.send("start")
            try await isBack(database)
            #expect(try await database.query("SELECT id FROM records").isEmpty)
        }
    }

    @Test("killed amid statements that were sent together, nothing of them is written", .timeLimit(.minutes(5)))
    func killedAmidStatements() async throws {
        try await withServer(Self.slow) { cluster, database in
            let task = Task {
                try await database.transaction { transaction in
                    try await transaction.execute("INSERT INTO records (id) VALUES (1)")
                    try transaction.executeLater("INSERT INTO records (id) VALUES (2)")
                    try transaction.executeLater("SELECT pg_sleep(500)")
                    try await transaction.execute("INSERT INTO records (id) VALUES (3)")
                }
            }
            try await eventually { try await !database.query(Self.sleeping).isEmpty }
            try await cluster.send("kill")
            #expect(try await errorCode { try await task.value } == .databaseUnavailable)
            try await cluster.send("start")
            try await isBack(database)
            #expect(try await database.query("SELECT id FROM records").isEmpty)
        }
    }

    @Test(
        "killed amid statements and their commit, the transaction says that its fate is not known",
        .timeLimit(.minutes(5)))
    func killedAmidCommit() async throws {
        try await withServer(Self.slow) { cluster, database in
            let task = Task {
                try await database.transaction { transaction in
                    try await transaction.execute("INSERT INTO records (id) VALUES (1)")
                    try transaction.executeLater("SELECT pg_sleep(500)")
                    try transaction.executeLater("INSERT INTO records (id) VALUES (2)")
                }
            }
            try await eventually { try await !database.query(Self.sleeping).isEmpty }
            // The commit is sent, and cannot be taken back.
            task.cancel()
            try await cluster.send("kill")
            #expect(try await errorCode { try await task.value } == .commitUnknown)
            try await cluster.send("start")
            try await isBack(database)
            #expect(try await database.query("SELECT id FROM records").isEmpty)
        }
    }

    private static let slow: Database.Configuration = {
        var configuration = steady
        configuration.statementTimeout = .seconds(600)
        return configuration
    }()

    private static let sleeping: SQL = """
        SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(500)%' AND state = 'active'
        """

    @Test("hung amid statements and their commit, it ends within its deadline", .timeLimit(.minutes(5)))
    func hungAmidCommit() async throws {
        try await withServer(Self.quick) { cluster, database in
            let code = try await errorCode {
                try await database.transaction { transaction in
                    try await transaction.execute("INSERT INTO records (id) VALUES (1)")
                    try transaction.executeLater("INSERT INTO records (id) VALUES (2)")
                    try await cluster.send("hang")
                }
            }
            #expect(code == .commitUnknown)
            try await cluster.send("resume")
            try await isBack(database)
            let count = try await database.query("SELECT id FROM records").count
            #expect(count == 0 || count == 2)
        }
    }

    @Test("hung, every kind of call ends within its deadline; resumed, it goes on")
    func hung() async throws {
        try await withServer(Self.quick) { cluster, database in
            try await warm(database)
            try await cluster.send("hang")
            let start = ContinuousClock.now
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { () async throws in
                    #expect(try await errorCode { _ = try await database.query("SELECT 1") } == .databaseUnavailable)
                }
                group.addTask {
                    let code = try await errorCode {
                        try await database.transaction { _ = try await $0.query("SELECT 1") }
                    }
                    #expect(code == .databaseUnavailable)
                }
                group.addTask {
                    let code = try await errorCode { try await database.execute("INSERT INTO records (id) VALUES (1)") }
                    #expect(code == .commitUnknown)
                }
                try await group.waitForAll()
            }
            // 5 s for a connection, twice 5 s for the statement; the rest is for a busy machine.
            #expect(ContinuousClock.now - start < .seconds(90))
            try await cluster.send("resume")
            try await isBack(database)
        }
    }

    @Test("hung in a commit, the transaction says that its fate is not known, and is whole or absent")
    func hungInCommit() async throws {
        try await withServer(Self.quick) { cluster, database in
            let code = try await errorCode {
                try await database.transaction { transaction in
                    try await transaction.execute("INSERT INTO records (id) VALUES (1), (2)")
                    try await cluster.send("hang")
                }
            }
            #expect(code == .commitUnknown)
            try await cluster.send("resume")
            try await isBack(database)
            let count = try await database.query("SELECT id FROM records").count
            #expect(count == 0 || count == 2)
        }
    }

    @Test("a task that is cancelled while it hangs does not wait for it")
    func cancelledWhileHung() async throws {
        var configuration = Self.slow
        configuration.acquireTimeout = .seconds(600)
        try await withServer(configuration) { cluster, database in
            try await cluster.send("hang")
            let tasks = (0..<6).map { _ in Task { try await database.query("SELECT 1") } }
            for task in tasks { task.cancel() }
            for task in tasks {
                await #expect(throws: CancellationError.self) { _ = try await task.value }
            }
            try await cluster.send("resume")
            try await isBack(database)
        }
    }

    @Test("a statement whose task was cancelled is stopped on the server as well")
    func stoppedOnServer() async throws {
        try await withServer(Self.slow) { _, database in
            let running: SQL = """
                SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(500)%' AND state = 'active'
                """
            let task = Task { try await database.query("SELECT pg_sleep(500)") }
            try await eventually { try await !database.query(running).isEmpty }
            task.cancel()
            await #expect(throws: CancellationError.self) { _ = try await task.value }
            try await eventually { try await database.query(running).isEmpty }
        }
    }

    @Test("connections that the server ends are replaced")
    func terminated() async throws {
        try await withServer { _, database in
            for id in 0..<5 {
                try await database.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
                try await database.transaction { try await $0.execute("INSERT INTO records (id) VALUES (\(id))") }
                try await database.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
                try await database.transaction { try $0.executeLater("INSERT INTO records (id) VALUES (\(id + 100))") }
            }
            #expect(try await database.query("SELECT id FROM records").count == 10)
        }
    }

    @Test("a listener hears again after a restart, and is told to look into the tables first")
    func listener() async throws {
        try await withServer { cluster, database in
            try await database.withNotifications("news") { notifications in
                var heard = notifications.makeAsyncIterator()
                #expect(try await heard.next() == .catchUp)
                for round in 0..<2 {
                    try await cluster.send("kill")
                    try await cluster.send("start")
                    #expect(try await heard.next() == .catchUp)
                    try await database.transaction { try await $0.notify("news", "\(round)") }
                    #expect(try await heard.next() == .message("\(round)"))
                }
            }
        }
    }

    @Test("a listener notices a server that hangs")
    func listenerHung() async throws {
        let log = RecordingLog()
        try await withServer(logger: log.logger) { cluster, database in
            try await database.withNotifications("news") { notifications in
                var heard = notifications.makeAsyncIterator()
                #expect(try await heard.next() == .catchUp)
                try await cluster.send("hang")
                // Silence is noticed in 15 s, and 5 s later the connection is given up.
                try await eventually(within: .seconds(180)) {
                    log.messages.withLockedValue { $0.contains("not listening") }
                }
                try await cluster.send("resume")
                #expect(try await heard.next() == .catchUp)
            }
        }
    }

    /// Those whose commit was answered are there, and none is there twice or half.
    @Test(
        "killed and stopped again and again under load, it loses no write that it has confirmed",
        arguments: [false, true])
    func load(isTogether: Bool) async throws {
        try await withServer { cluster, database in
            try await database.execute("CREATE TABLE halves (id BIGINT NOT NULL PRIMARY KEY)")
            let confirmed = NIOLockedValueBox<Set<Int>>([])
            let unknown = NIOLockedValueBox<Set<Int>>([])
            let isOver = NIOLockedValueBox(false)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for writer in 0..<4 {
                    group.addTask {
                        var id = writer
                        while !isOver.withLockedValue({ $0 }) {
                            do {
                                try await database.transaction { [id] transaction in
                                    try await transaction.execute("INSERT INTO records (id) VALUES (\(id))")
                                    let half: SQL = "INSERT INTO halves (id) VALUES (\(id))"
                                    if isTogether {
                                        try transaction.executeLater(half)
                                    } else {
                                        try await transaction.execute(half)
                                    }
                                }
                                _ = confirmed.withLockedValue { $0.insert(id) }
                            } catch let error as DatabaseError where error.code == .commitUnknown {
                                _ = unknown.withLockedValue { $0.insert(id) }
                            } catch let error as DatabaseError where error.code == .databaseUnavailable {
                                // Known not to be written: the same number can be used again.
                                continue
                            }
                            id += 4
                        }
                    }
                }
                for round in 0..<6 {
                    let before = confirmed.withLockedValue { $0.count }
                    try await eventually { confirmed.withLockedValue { $0.count } > before + 50 }
                    try await cluster.send(round.isMultiple(of: 2) ? "kill" : "stop")
                    try await cluster.send("start")
                }
                let before = confirmed.withLockedValue { $0.count }
                try await eventually { confirmed.withLockedValue { $0.count } > before + 50 }
                isOver.withLockedValue { $0 = true }
                try await group.waitForAll()
            }
            let records = Set(try await database.query("SELECT id FROM records").map { try $0["id"] as Int })
            let halves = Set(try await database.query("SELECT id FROM halves").map { try $0["id"] as Int })
            #expect(records == halves)
            let (sure, perhaps) = (confirmed.withLockedValue { $0 }, unknown.withLockedValue { $0 })
            #expect(sure.subtracting(records).isEmpty)
            #expect(records.subtracting(sure).isSubset(of: perhaps))
        }
    }

    @Test("killed again and again while nodes claim, nothing is claimed twice or forgotten")
    func claims() async throws {
        try await withServer { cluster, database in
            try await database.migrate()
            let queue = ExecutionQueue()
            let total = 300
            for id in 0..<total {
                try await database.transaction(isolation: .readCommitted) { transaction in
                    let submission = ExecutionQueue.Submission(
                        id: "exe_\(id)", userID: "usr_\(id % 5)", agentID: nil, request: "{}", patience: .seconds(600))
                    try await queue.submit(submission, in: transaction)
                }
            }
            let claimed = NIOLockedValueBox<[String: Int]>([:])
            try await withThrowingTaskGroup(of: Void.self) { group in
                for node in 0..<4 {
                    group.addTask {
                        var isDone = false
                        while !isDone {
                            do {
                                let claim = try await database.transaction(isolation: .readCommitted) {
                                    try await queue.claim(for: "node-\(node)", startingWithin: .seconds(600), in: $0)
                                }
                                isDone = claim == nil
                                if let claim { claimed.withLockedValue { $0[claim.execution.id, default: 0] += 1 } }
                            } catch let error as DatabaseError where error.code == .commitUnknown {
                                // Found among those that are held, below.
                            } catch let error as DatabaseError where error.code == .databaseUnavailable {
                                continue
                            }
                        }
                    }
                }
                for round in 1...4 {
                    try await eventually { claimed.withLockedValue { $0.count } > round * 40 }
                    try await cluster.send("kill")
                    try await cluster.send("start")
                }
                try await group.waitForAll()
            }
            let known = claimed.withLockedValue { $0 }
            #expect(known.values.allSatisfy { $0 == 1 })
            var held: Set<String> = []
            for node in 0..<4 {
                for claim in try await queue.held(by: "node-\(node)", in: database) {
                    #expect(claim.lease.fence == 1)
                    #expect(held.insert(claim.execution.id).inserted)
                }
            }
            #expect(held.count == total)
            #expect(Set(known.keys).isSubset(of: held))
        }
    }
}
