import API
import DockerAPI
import Foundation
import Logging
import Runner
import Storage

/// All that `paddock serve` is told, checked.
struct ServeConfiguration {
    let server: ServerConfiguration
    let logLevel: Logger.Level
    let jwtSecret: String?
    let jwtExpiry: Duration
    /// Of JWTs of both kinds; empty and nil for any.
    let jwtAudiences: Set<String>
    let jwtIssuer: String?
    let jwks: JWKSVerifier.Configuration?
    let databaseURL: String?
    let database: Database.Configuration
    let docker: DockerClient.Configuration
    /// For ``StateFolder``.
    let environment: [String: String]
    let node: Node.Configuration
    /// CIDR.
    let allowPrivate: [String]
    let webhooks: WebhookSender.Configuration

    /// - Throws: what is wrong, with the key's name and where it was said.
    init(_ sources: ConfigurationSources, environment: [String: String]) throws {
        server = try Self.server(sources)
        guard let level = Logger.Level(rawValue: sources["log.level"] ?? "") else {
            throw sources.wrong("log.level", Logger.Level.allCases.map(\.rawValue).joined(separator: ", "))
        }
        logLevel = level
        jwtSecret = sources["auth.jwtSecret"]
        if let jwtSecret, jwtSecret.utf8.count < 32 {
            throw sources.wrong("auth.jwtSecret", "at least 32 bytes, such as: openssl rand -base64 48")
        }
        jwtExpiry = try sources.duration("auth.jwtExpiry")
        jwtAudiences = Set(sources.list("auth.audience"))
        jwtIssuer = sources["auth.issuer"]
        jwks = try Self.jwks(sources)
        databaseURL = sources["database.url"]
        // Read to see that it is one; the folder is not needed for that.
        _ = try DatabaseLocation(url: databaseURL, stateFolder: "/")
        var database = Database.Configuration()
        database.connections = try sources.integer("database.connections", 1...1000)
        self.database = database
        docker = try DockerClient.Configuration(dockerHost: sources["docker.host"])
        var surroundings = environment
        surroundings["PADDOCK_STATE_DIR"] = sources["state.folder"]
        self.environment = surroundings
        var node = Node.Configuration()
        node.slots = try sources.integer("node.slots", 0...10_000)
        node.stopLimit = try sources.duration("node.stopTimeout")
        node.queue.capacity = try sources.integer("queue.capacity", 1...10_000_000)
        node.retention.age = try sources.duration("logs.retention")
        node.pool = try Self.pool(sources)
        self.node = node
        allowPrivate = sources.list("egress.allowPrivate")
        var webhooks = WebhookSender.Configuration()
        webhooks.allowsHTTP = try sources.flag("webhooks.allowHTTP")
        for range in allowPrivate {
            do {
                webhooks.allowPrivate.append(try AddressRange(range))
                _ = try EgressPolicy(rules: [EgressRule("example.com")], allowedPrivate: [AddressRange(range)])
            } catch {
                throw sources.wrong("egress.allowPrivate", "private ranges: \(error)")
            }
        }
        self.webhooks = webhooks
    }

    private static func jwks(_ sources: ConfigurationSources) throws -> JWKSVerifier.Configuration? {
        guard let source = sources["auth.jwks"] else { return nil }
        guard sources["auth.issuer"] != nil else {
            throw sources.wrong("auth.issuer", "who issues the tokens of auth.jwks: the value of their claim iss")
        }
        do {
            var jwks = JWKSVerifier.Configuration(try JWKSource(source))
            jwks.audiences = Set(sources.list("auth.audience"))
            jwks.issuer = sources["auth.issuer"]
            return jwks
        } catch {
            throw sources.wrong("auth.jwks", "a file or an https URL: \(error)")
        }
    }

    /// nil for none.
    private static func pool(_ sources: ConfigurationSources) throws -> SandboxPool.Configuration? {
        var pool = SandboxPool.Configuration()
        pool.ceiling = try sources.integer("pool.ceiling", 0...1000)
        pool.memoryMiB = try sources.integer("pool.memoryMiB", 0...1_048_576)
        pool.bounds.ceiling = try sources.integer("pool.agentCeiling", 0...1000)
        pool.bounds.floor = try sources.integer("pool.agentFloor", 0...pool.bounds.ceiling)
        pool.halfLife = try sources.duration("pool.halfLife")
        pool.age = try sources.duration("pool.age")
        if sources["pool.parallel"] != nil { pool.parallel = try sources.integer("pool.parallel", 1...64) }
        for entry in sources.list("pool.agents") {
            guard let match = entry.wholeMatch(of: /(\w+)=(\d{1,4}):(\d{1,4})/), let floor = Int(match.2),
                let ceiling = Int(match.3), floor <= ceiling
            else {
                throw sources.wrong("pool.agents", "AGENT_ID=FLOOR:CEILING, such as agt_a=1:4, separated by commas")
            }
            pool.agents[String(match.1)] = .init(floor: floor, ceiling: ceiling)
        }
        return pool.ceiling > 0 ? pool : nil
    }

    private static func server(_ sources: ConfigurationSources) throws -> ServerConfiguration {
        var server = ServerConfiguration()
        server.host = sources["server.listen"] ?? server.host
        server.port = try sources.integer("server.port", 0...65_535)
        switch (sources["server.tlsCertificate"], sources["server.tlsKey"]) {
        case (let certificate?, let key?): server.tls = .init(certificateChain: certificate, privateKey: key)
        case (nil, nil): break
        default: throw Failure("server.tlsCertificate and server.tlsKey belong together: give both, or none")
        }
        server.allowsInsecureHTTP = try sources.flag("server.insecureHTTP")
        server.maxConnections = try sources.integer("server.maxConnections", 1...1_000_000)
        server.maxBodyBytes = try sources.integer("server.maxBodyKiB", 1...65_536) << 10
        server.headTimeout = try sources.duration("server.headTimeout")
        server.bodyTimeout = try sources.duration("server.bodyTimeout")
        server.idleTimeout = try sources.duration("server.idleTimeout")
        server.writeTimeout = try sources.duration("server.writeTimeout")
        server.stopTimeout = try sources.duration("server.stopTimeout")
        server.corsOrigins = sources.list("server.corsOrigins")
        server.trustedProxies = sources.list("server.trustedProxies")
        server.requestLimit = try sources.integer("server.requestLimit", 0...1_000_000_000)
        server.logStreams = try sources.integer("server.logStreams", 0...1_000_000)
        server.logsRequests = try sources.flag("server.accessLog")
        try server.validate()
        return server
    }
}
