import API
import CoreMetrics
import DockerAPI
import Entitlements
import Foundation
import Glibc
import Logging
import Runner
import ServiceLifecycle
import Storage

/// A server's whole life: database, Engine, node and HTTP, from the first to the last.
struct Serving {
    let configuration: ServeConfiguration
    private let output = LogOutput()
    private let logger: Logger

    init(_ configuration: ServeConfiguration) {
        self.configuration = configuration
        let (output, level) = (output, configuration.logLevel)
        logger = Logger(label: "paddock") { JSONLog(label: $0, level: level, output: output) }
    }

    func run() async throws {
        let folder = try StateFolder(environment: configuration.environment)
        let location = try DatabaseLocation(url: configuration.databaseURL, stateFolder: folder.path)
        let database = Database(location, configuration: configuration.database, logger: logger)
        do {
            try await serve(database, folder)
            await database.close()
        } catch {
            await database.close()
            throw error
        }
        output.flush(within: .seconds(1))
    }

    private func serve(_ database: Database, _ folder: StateFolder) async throws {
        try await database.migrate()
        warn()
        try await makeFirstAdmin(database, folder)
        try await DockerClient.withClient(configuration.docker) { client in
            let host = try RunnerHost(client: client, folder: folder)
            let node = Node(host: host, database: database, configuration: configuration.node, logger: logger)
            let watch = ExecutionWatch(database, logger: logger)
            var executions = ExecutionService.Configuration()
            executions.admission.queue = configuration.node.queue
            executions.allowPrivate = configuration.allowPrivate
            let parts = APIServices(
                database: database, host: host,
                executions: ExecutionService(
                    database: database, host: host, logs: node.logs, watch: watch, configuration: executions),
                verifiers: await verifiers(), metrics: metrics(database),
                allowsHTTPWebhooks: configuration.webhooks.allowsHTTP)
            let webhooks = WebhookSender(database, configuration: configuration.webhooks, logger: logger)
            let server = try APIServer(configuration.server, services: parts, logger: logger) { [logger] port in
                logger.info(
                    "serving", metadata: ["address": "\(configuration.server.host)", "port": .stringConvertible(port)])
            }
            // Stopped from the last to the first: while requests come to their end, the node still runs.
            let services: [any Service] = [
                BackgroundService { await watch.run() },
                BackgroundService { await webhooks.run() },
                BackgroundService { await Housekeeping(database: database).run() },
                NodeService(node: node),
                server,
            ]
            // Its debug messages describe each service with everything in it.
            var quiet = logger
            quiet.logLevel = max(quiet.logLevel, .notice)
            let group = ServiceGroup(
                configuration: .init(services: services.map { .init(service: $0) }, logger: quiet))
            try await runUntilSignal(group)
        }
    }

    /// Once a process: what is measured from now on goes there.
    private func metrics(_ database: Database) -> MetricsEndpoint {
        let registry = MetricRegistry()
        MetricsSystem.bootstrap(registry)
        RunnerMetrics.begin()
        return MetricsEndpoint(
            registry,
            collectors: [
                { await RunnerMetrics.measureQueue(of: database) }, { await Webhooks(database).measure() },
            ])
    }

    private func verifiers() async -> [any TokenVerifier] {
        var verifiers: [any TokenVerifier] = []
        if let secret = configuration.jwtSecret {
            verifiers.append(
                await HMACTokenVerifier(
                    secret: secret, longestLife: configuration.jwtExpiry, audiences: configuration.jwtAudiences,
                    issuer: configuration.jwtIssuer))
        }
        if let jwks = configuration.jwks { verifiers.append(JWKSTokenVerifier(jwks)) }
        return verifiers
    }

    /// What is convenient for trying things out, and dangerous beyond that.
    private func warn() {
        let risks = [
            ("server.insecureHTTP", configuration.server.allowsInsecureHTTP, "keys and inputs may be read on the way"),
            ("server.corsOrigins", configuration.server.corsOrigins.contains("*"), "any page may call the API"),
            ("server.requestLimit", configuration.server.requestLimit == 0, "requests are not limited"),
            ("webhooks.allowHTTP", configuration.webhooks.allowsHTTP, "webhooks may be read on the way"),
        ]
        for (key, isSet, risk) in risks where isSet {
            logger.warning("a risky setting", metadata: ["key": "\(key)", "risk": "\(risk)"])
        }
    }

    /// The first start makes an administrator. The key is shown on a terminal, and nowhere in a log: where stdout is the
    /// journal, a container's log or a pipe, it is in a file that only its owner reads.
    private func makeFirstAdmin(_ database: Database, _ folder: StateFolder) async throws {
        guard let key = try await AccountService(database: database).makeFirstAdmin() else { return }
        guard isatty(STDOUT_FILENO) == 1 else {
            let path = "\(folder.path)/first-admin.key"
            try Self.write(key, to: path)
            return Console.line(
                "paddock: this is the first start: usr_admin is its administrator; its key is in \(path): take it, and "
                    + "remove the file")
        }
        Console.line(
            "paddock: this is the first start: usr_admin is its administrator, with this key, which is not shown again:"
        )
        try Output.write(key + "\n")
    }

    private static func write(_ key: String, to path: String) throws {
        // Of a database that is no more.
        unlink(path)
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        defer { if file >= 0 { close(file) } }
        guard file >= 0, StandardStreams.write(Array("\(key)\n".utf8)[...], to: file) == nil else {
            throw Failure(
                "\(path): the first administrator's key cannot be written there: make it another one with "
                    + "paddock keys create usr_admin --name first")
        }
    }

    /// The first signal stops, the second leaves at once: what runs is the next node's.
    private func runUntilSignal(_ group: ServiceGroup) async throws {
        let interrupts = Interrupts { [logger, output] signal, nth in
            if nth > 1 {
                output.flush(within: .milliseconds(200))
                _exit(128 + signal)
            }
            logger.info("stopping", metadata: ["signal": .stringConvertible(Int(signal))])
            Task { await group.triggerGracefulShutdown() }
        }
        try await group.run()
        withExtendedLifetime(interrupts) {}
    }
}

/// A node as a service: when it is told to stop it claims nothing more, and lets run what runs for a while.
private struct NodeService: Service {
    let node: Node

    func run() async throws {
        try await withGracefulShutdownHandler {
            try await node.run()
        } onGracefulShutdown: {
            node.stop()
        }
    }
}

/// Work that goes on for as long as the server is there, and is cancelled when it stops.
private struct BackgroundService: Service {
    let body: @Sendable () async -> Void

    init(_ body: @escaping @Sendable () async -> Void) { self.body = body }

    func run() async throws {
        await cancelWhenGracefulShutdown { await body() }
    }
}
