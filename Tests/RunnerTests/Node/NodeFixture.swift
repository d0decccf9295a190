import DatabaseFixtures
import DockerAPI
import Entitlements
import Foundation
import Logging
import Storage
import Testing

@testable import Runner

/// A node on the real Engine, with a state folder and a database of its own.
struct NodeFixture: Sendable {
    /// Of the database.
    let url: String
    let database: Database
    let client: DockerClient
    let folder: String
    let queue = ExecutionQueue()

    static func with(_ backend: Backend, _ body: (NodeFixture) async throws -> Void) async throws {
        let host = ProcessInfo.processInfo.environment["DOCKER_HOST"]
        try await backend.withURL { url in
            try await DatabaseLocation(url: url, stateFolder: "/").withDatabase { database in
                try await database.migrate()
                try await withTemporaryFolder { folder in
                    try await DockerClient.withClient(DockerClient.Configuration(dockerHost: host)) { client in
                        try await body(
                            NodeFixture(url: url, database: database, client: client, folder: folder))
                        let state = try StateFolder(environment: ["PADDOCK_STATE_DIR": folder])
                        let left = try await client.listContainers(
                            filters: ["label": ["\(RunnerHost.Label.state)=\(state.id)"]])
                        #expect(left.isEmpty, "left on the Engine: \(left.map(\.names))")
                    }
                }
            }
        }
    }

    /// Of this process, on the same state folder.
    func host() throws -> RunnerHost {
        try RunnerHost(client: client, folder: try StateFolder(environment: ["PADDOCK_STATE_DIR": folder]))
    }

    func node(_ change: (inout Node.Configuration) -> Void = { _ in }) throws -> Node {
        var configuration = Node.Configuration()
        configuration.reconcileInterval = .seconds(1)
        change(&configuration)
        return Node(
            host: try RunnerHost(client: client, folder: try StateFolder(environment: ["PADDOCK_STATE_DIR": folder])),
            database: database,
            configuration: configuration, logger: .silent)
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

    /// A node in a process of its own.
    func process(stopLimit: Double = 0, hasPool: Bool = false) throws -> Process {
        let process = Process()
        process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appending(path: "NodeProgram")
        process.arguments = [url, "\(stopLimit)"] + (hasPool ? ["pool"] : [])
        process.environment = ProcessInfo.processInfo.environment.merging(["PADDOCK_STATE_DIR": folder]) { $1 }
        process.standardError = FileHandle.nullDevice
        try process.run()
        return process
    }

    func end(of process: Process) async {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                process.waitUntilExit()
                continuation.resume()
            }
        }
    }

    func ticket(_ script: String, user: String = "usr_a", timeout: Double = 100) throws -> ExecutionTicket {
        var limits = LimitsRequest()
        limits.timeoutSeconds = timeout
        var ticket = ExecutionTicket(
            agentID: "agt_a", userID: user, image: "paddock/busybox:1", limits: try limits.resolved(), input: "{}")
        ticket.command = ["sh", "-c", script]
        return ticket
    }

    func submit(_ ticket: ExecutionTicket) async throws -> ExecutionID {
        let id = ExecutionID()
        let request = String(decoding: try JSONEncoder().encode(ticket), as: UTF8.self)
        try await database.transaction { transaction in
            try await queue.submit(
                .init(
                    id: id.description, userID: ticket.userID, agentID: ticket.agentID, request: request,
                    patience: .seconds(600)), in: transaction)
        }
        SubmissionBell(database).ring()
        return id
    }

    func stored(_ id: ExecutionID) async throws -> StoredExecution {
        try #require(try await queue.find(id.description, in: database))
    }

    /// Waits for the end and for the sandbox's removal, which comes after it, and returns the document.
    func ended(_ id: ExecutionID) async throws -> [String: Any] {
        try await eventually(within: .seconds(120)) { try await stored(id).state.isEnd }
        let host = try host()
        try await eventually(within: .seconds(120)) {
            try await host.fencedSandboxes().allSatisfy { $0.execution != id.description }
        }
        let ending = try #require(try await stored(id).ending)
        return try #require(try JSONSerialization.jsonObject(with: Data(ending.utf8)) as? [String: Any])
    }

    func log(_ id: ExecutionID) async throws -> [LogRecord] {
        try await LogHub(database, logger: .silent).read(id, follows: false).reduce(into: []) { $0 += $1 }
    }
}
