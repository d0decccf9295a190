import DatabaseFixtures
import DockerAPI
import Entitlements
import Foundation
import Logging
import NIOConcurrencyHelpers
import Runner
import ServiceLifecycle
import Storage
import Testing

@testable import API

/// A server on a socket, with a database and a state folder of its own, on the machine's Engine.
struct ServerFixture: Sendable {
    /// Somebody with a key.
    struct Person: Sendable {
        let id: String
        let key: String

        var headers: [String: String] { ["Authorization": "Bearer \(key)"] }
    }

    static let secret = "a secret of at least thirty-two bytes"

    let wire: HTTPWire
    let database: Database
    let services: APIServices
    let admin: Person
    let developer: Person
    let user: Person
    let other: Person

    /// - Parameter runs: whether what is submitted is run.
    static func with(
        _ backend: Backend = .sqlite, runs: Bool = false,
        configure change: (inout ServerConfiguration) -> Void = { _ in },
        _ body: (ServerFixture) async throws -> Void
    ) async throws {
        try await backend.withLocation { try await with($0, runs: runs, configure: change, body) }
    }

    static func with(
        _ location: DatabaseLocation, runs: Bool = false, databaseConfiguration: Database.Configuration = .patient,
        configure change: (inout ServerConfiguration) -> Void = { _ in },
        _ body: (ServerFixture) async throws -> Void
    ) async throws {
        var configuration = ServerConfiguration()
        configuration.port = 0
        configuration.requestLimit = 0
        configuration.stopTimeout = .seconds(2)
        change(&configuration)
        try await location.withDatabase(databaseConfiguration) { database in
            try await database.migrate()
            try await withTemporaryFolder { folder in
                let engine = try DockerClient.Configuration(
                    dockerHost: ProcessInfo.processInfo.environment["DOCKER_HOST"])
                try await DockerClient.withClient(engine) { client in
                    let state = try StateFolder(environment: ["PADDOCK_STATE_DIR": folder])
                    let host = try RunnerHost(client: client, folder: state)
                    try await serve(database, host, configuration, runs: runs, body)
                }
            }
        }
    }

    private static func serve(
        _ database: Database, _ host: RunnerHost, _ configuration: ServerConfiguration, runs: Bool,
        _ body: (ServerFixture) async throws -> Void
    ) async throws {
        let node = Node(host: host, database: database, logger: .silent)
        let watch = ExecutionWatch(database, logger: .silent)
        let executions = ExecutionService(database: database, host: host, logs: node.logs, watch: watch)
        let verifier = await HMACTokenVerifier(secret: secret, longestLife: .seconds(3600))
        let services = APIServices(database: database, host: host, executions: executions, verifiers: [verifier])
        let (ports, port) = AsyncStream<Int>.makeStream()
        let server = try APIServer(configuration, services: services, logger: .silent) { port.yield($0) }
        let group = ServiceGroup(configuration: .init(services: [.init(service: server)], logger: .silent))
        let serving = Task { try await group.run() }
        let watching = Task { await watch.run() }
        let running = Task { if runs { try await node.run() } }
        func stop() async throws {
            await group.triggerGracefulShutdown()
            node.stop()
            watching.cancel()
            try await serving.value
            try await running.value
        }
        do {
            guard let port = await ports.first(where: { _ in true }) else { throw NotInTime() }
            try await body(try await people(HTTPWire(port: port), database, services))
        } catch {
            try? await stop()
            throw error
        }
        try await stop()
    }

    private static func people(
        _ wire: HTTPWire, _ database: Database, _ services: APIServices
    ) async throws -> ServerFixture {
        func person(_ id: String, _ role: Role) async throws -> Person {
            _ = try await services.accounts.ensure(id, role: role)
            var change = AccessChange()
            change.executionsPerDay = .set(10_000)
            change.executionsPerHour = .set(10_000)
            change.maxConcurrent = .set(1000)
            _ = try await services.accounts.setAccess(id, change, by: "test")
            let key = try await services.accounts.createKey(
                for: id, name: "test", requestLimit: nil, expiresAt: nil, by: "test")
            return Person(id: id, key: key.text)
        }
        return ServerFixture(
            wire: wire, database: database, services: services, admin: try await person("usr_admin", .admin),
            developer: try await person("usr_developer", .developer), user: try await person("usr_user", .user),
            other: try await person("usr_other", .user))
    }

    // MARK: Requests

    func get(_ path: String, as person: Person?, _ headers: [String: String] = [:]) async throws -> HTTPWire.Answer {
        try await wire.send("GET", "/api/v1" + path, headers: (person?.headers ?? [:]).merging(headers) { $1 })
    }

    func post(
        _ path: String, _ body: String?, as person: Person?, _ headers: [String: String] = [:]
    ) async throws -> HTTPWire.Answer {
        try await wire.send(
            "POST", "/api/v1" + path, headers: (person?.headers ?? [:]).merging(headers) { $1 }, body: body)
    }

    // MARK: Agents

    /// Runs the shell commands that its input is, without quotes and backslashes in them.
    func agent(_ fields: String = "") async throws -> String {
        let image = try await EvalImage.built.value
        let answer = try await post(
            "/agents",
            """
            {"name":"eval","description":"Runs the commands in its input.","category":"UTILITY","price":"0",
             "priceToken":"USD","dockerImage":"\(image)"\(fields)}
            """, as: admin)
        #expect(answer.status == 201, "\(answer.text)")
        return answer.id
    }

    /// - Returns: the execution's id.
    func submit(_ agent: String, _ script: String, as person: Person) async throws -> String {
        let answer = try await post("/executions", #"{"agentId":"\#(agent)","input":"\#(script)"}"#, as: person)
        #expect(answer.status == 201, "\(answer.text)")
        return answer.id
    }
}

/// An image whose agent runs what its input says.
private enum EvalImage {
    static let built = Task {
        let engine = try DockerClient.Configuration(dockerHost: ProcessInfo.processInfo.environment["DOCKER_HOST"])
        return try await DockerClient.withClient(engine) { client in
            try await withTemporaryFolder { folder in
                let dockerfile = """
                    FROM paddock/busybox:1
                    ENTRYPOINT ["sh", "-c", "s=${INPUT#?}; eval \\"${s%?}\\""]
                    """
                try dockerfile.write(toFile: folder + "/Dockerfile", atomically: false, encoding: .utf8)
                let image = try await ImageStore(client: client).build(folder: folder, tag: "paddock-test/eval:1") {
                    _ in
                }
                return image.reference
            }
        }
    }
}
