import DatabaseFixtures
import DockerAPI
import Entitlements
import Foundation
import Glibc
import Logging
import NIOConcurrencyHelpers
import Storage
import Testing

@testable import Runner

/// A node on an Engine, with a state folder of its own.
struct NodeFixture: Sendable {
    /// Of the database.
    let url: String
    let database: Database
    let client: DockerClient
    /// `DOCKER_HOST`.
    let engine: String?
    /// The state folder.
    let folder: String
    let queue = ExecutionQueue()
    let processes = NodeProcesses()
    let history: SandboxHistory

    /// With a database of its own, on the machine's Engine.
    static func with(_ backend: Backend, _ body: (NodeFixture) async throws -> Void) async throws {
        try await backend.withURL { try await with(url: $0, body) }
    }

    /// - Parameters:
    ///   - url: of the database.
    ///   - engine: `DOCKER_HOST`.
    ///   - state: the folder for the state; nil for one of its own.
    static func with(
        url: String, engine: String? = ProcessInfo.processInfo.environment["DOCKER_HOST"], state: String? = nil,
        _ body: (NodeFixture) async throws -> Void
    ) async throws {
        try await DatabaseLocation(url: url, stateFolder: "/").withDatabase { database in
            try await database.migrate()
            try await withTemporaryFolder { folder in
                let folder = state ?? folder
                try await DockerClient.withClient(DockerClient.Configuration(dockerHost: engine)) { client in
                    let id = try StateFolder(environment: ["PADDOCK_STATE_DIR": folder]).id
                    let history = SandboxHistory(stateID: id)
                    let fixture = NodeFixture(
                        url: url, database: database, client: client, engine: engine, folder: folder, history: history)
                    try await history.record(of: client) { try await fixture.run(body) }
                }
            }
        }
    }

    private func run(_ body: (NodeFixture) async throws -> Void) async throws {
        do {
            try await body(self)
        } catch {
            await processes.killAll()
            await removeSandboxes()
            throw error
        }
        await processes.killAll()
        let left = try await Leftovers(fixture: self).find()
        #expect(left.isEmpty, "left behind: \(left)")
        await removeSandboxes()
    }

    /// Of a test that has failed, or of what it has found to be left behind.
    private func removeSandboxes() async {
        for sandbox in (try? await host().fencedSandboxes()) ?? [] { try? await host().remove(sandbox) }
    }

    /// Of this process, on the same state folder.
    func host() throws -> RunnerHost {
        try RunnerHost(client: client, folder: try StateFolder(environment: ["PADDOCK_STATE_DIR": folder]))
    }

    /// The runners that have a file in the state folder, alive or not.
    func runners() throws -> [String] { try FileManager.default.contentsOfDirectory(atPath: folder + "/runners") }

    func node(_ change: (inout Node.Configuration) -> Void = { _ in }) throws -> Node {
        var configuration = Node.Configuration()
        configuration.reconcileInterval = .seconds(1)
        change(&configuration)
        return Node(host: try host(), database: database, configuration: configuration, logger: .silent)
    }

    /// Runs a node for as long as the body does, and lets it end what it runs.
    func withNode(
        _ change: (inout Node.Configuration) -> Void = { _ in }, _ body: (Node) async throws -> Void
    ) async throws {
        let node = try node(change)
        let running = Task { try await node.run() }
        do {
            try await body(node)
        } catch {
            node.stop()
            _ = try? await running.value
            throw error
        }
        node.stop()
        try await running.value
    }

    /// A node in a process of its own, which ends with the fixture at the latest.
    /// - Parameters:
    ///   - stopLimit: seconds.
    ///   - settings: variables of `NodeProgram`.
    func process(stopLimit: Double = 0, _ settings: [String: String] = [:]) throws -> NodeProcess {
        var environment = ProcessInfo.processInfo.environment.merging(settings) { $1 }
        environment["PADDOCK_STATE_DIR"] = folder
        environment["DOCKER_HOST"] = engine
        return try processes.start([url, "\(stopLimit)"], environment)
    }

    func ticket(_ script: String, user: String = "usr_a", timeout: Double = 600) throws -> ExecutionTicket {
        var limits = LimitsRequest()
        limits.timeoutSeconds = timeout
        var ticket = ExecutionTicket(
            agentID: "agt_a", userID: user, image: "paddock/busybox:1", limits: try limits.resolved(), input: "{}")
        ticket.command = ["sh", "-c", script]
        return ticket
    }

    func submit(_ ticket: ExecutionTicket, secrets: [String: [UInt8]] = [:]) async throws -> ExecutionID {
        let id = ExecutionID()
        let request = String(decoding: try JSONEncoder().encode(ticket), as: UTF8.self)
        try await database.transaction { transaction in
            try await queue.submit(
                .init(
                    id: id.description, userID: ticket.userID, agentID: ticket.agentID, request: request,
                    patience: .seconds(600)), in: transaction)
            try await SecretBox(stateFolder: folder).store(secrets, for: id, in: transaction)
        }
        SubmissionBell(database).ring()
        return id
    }

    func stored(_ id: ExecutionID) async throws -> StoredExecution {
        try #require(try await queue.find(id.description, in: database))
    }

    /// Waits for the end and for the sandbox's removal, which comes after it, and returns the document.
    func ended(_ id: ExecutionID, within limit: Duration = .seconds(120)) async throws -> [String: Any] {
        try await eventually(within: limit) { try await stored(id).state.isEnd }
        let host = try host()
        try await eventually(within: limit) {
            try await host.fencedSandboxes().allSatisfy { $0.execution != id.description }
        }
        let ending = try #require(try await stored(id).ending)
        return try #require(try JSONSerialization.jsonObject(with: Data(ending.utf8)) as? [String: Any])
    }

    /// The audit trail, which is written with each ending, has one of each execution, and nobody has changed it.
    func expectEachEndedOnce() async throws {
        let endings = try await database.query(
            """
            SELECT executions.id, count(entries.subject) AS number FROM executions LEFT JOIN (
                SELECT subject, action FROM audit UNION ALL SELECT subject, action FROM audit_pending) AS entries
                ON entries.subject = executions.id AND entries.action = 'execution.finished'
            GROUP BY executions.id
            """)
        for ending in endings { #expect(try ending["number"] as Int == 1, "the endings of an execution") }
        _ = try await AuditTrail(database).verify()
    }

    /// Waits for a node to sign it, and checks the signature.
    func receipt(_ id: ExecutionID) async throws -> Receipt {
        try await eventually { try await StoredReceipt.find(id, in: database) != nil }
        let text = try #require(try await StoredReceipt.find(id, in: database))
        let keys = try KeyFolder(stateFolder: folder).verificationKeys()
        return try SignedReceipt(parsing: Array(text.utf8)).verified(with: keys)
    }

    /// The container that an execution was launched in.
    func container(of id: ExecutionID) async throws -> String {
        let launch = try #require(try await stored(id).launch)
        return try JSONDecoder().decode(Launch.self, from: Data(launch.utf8)).containerID
    }

    /// Lets an agent go on that waits for it, as with ``NumberedAgent/waits``: until then it runs, however slow the
    /// machine is. The init passes the signal on.
    func letGo(_ id: ExecutionID) async throws {
        try await client.killContainer(container(of: id), signal: "SIGUSR1")
    }

    /// The host's number of an execution's init. SIGUSR1 lets its agent go on also while its Engine is away.
    func initProcess(of id: ExecutionID) async throws -> pid_t {
        pid_t(try await client.inspectContainer(container(of: id)).state.pid)
    }

    func log(_ id: ExecutionID) async throws -> [LogRecord] {
        try await LogHub(database, logger: .silent).read(id, follows: false).reduce(into: []) { $0 += $1 }
    }
}
