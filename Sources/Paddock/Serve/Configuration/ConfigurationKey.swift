/// One thing that can be configured: its names, and what it means. The table in docs/serve.md is made of these.
struct ConfigurationKey: Sendable {
    /// In the YAML file and for `--set`: `server.port`.
    let name: String
    /// In the environment and `.env`: `PORT`.
    let variable: String
    /// Where nothing is said; empty for none.
    let standard: String
    let about: String
    /// Never shown.
    var isSecret = false

    static let all: [ConfigurationKey] = server + authentication + storage + node + pool

    static let server: [ConfigurationKey] = [
        .init(name: "server.listen", variable: "PADDOCK_LISTEN", standard: "127.0.0.1", about: "address to listen on"),
        .init(name: "server.port", variable: "PORT", standard: "8200", about: "port; 0 for one that is free"),
        .init(
            name: "server.tlsCertificate", variable: "PADDOCK_TLS_CERT", standard: "",
            about: "PEM file of the certificate chain"),
        .init(name: "server.tlsKey", variable: "PADDOCK_TLS_KEY", standard: "", about: "PEM file of its private key"),
        .init(
            name: "server.insecureHTTP", variable: "PADDOCK_INSECURE_HTTP", standard: "false",
            about: "listen on other addresses than loopback's without TLS: whoever is on the way reads keys and inputs"),
        .init(
            name: "server.maxConnections", variable: "PADDOCK_MAX_CONNECTIONS", standard: "4096",
            about: "open connections at once"),
        .init(
            name: "server.maxBodyKiB", variable: "PADDOCK_MAX_BODY_KIB", standard: "1024",
            about: "largest body of a request"),
        .init(
            name: "server.headTimeout", variable: "PADDOCK_HEAD_TIMEOUT", standard: "10s",
            about: "for the head of a request to arrive"),
        .init(
            name: "server.bodyTimeout", variable: "PADDOCK_BODY_TIMEOUT", standard: "30s",
            about: "for the body of a request to arrive"),
        .init(
            name: "server.idleTimeout", variable: "PADDOCK_IDLE_TIMEOUT", standard: "60s",
            about: "between two requests on a connection"),
        .init(
            name: "server.writeTimeout", variable: "PADDOCK_WRITE_TIMEOUT", standard: "60s",
            about: "for a client that does not read to take more"),
        .init(
            name: "server.stopTimeout", variable: "PADDOCK_STOP_TIMEOUT", standard: "10s",
            about: "for requests that are under way when the server stops"),
        .init(
            name: "server.corsOrigins", variable: "PADDOCK_CORS_ORIGINS", standard: "",
            about: "origins whose pages may call the API, separated by commas; * for all"),
        .init(
            name: "server.trustedProxies", variable: "PADDOCK_TRUSTED_PROXIES", standard: "",
            about: "addresses of proxies whose X-Forwarded-For is believed, separated by commas"),
        .init(
            name: "server.requestLimit", variable: "PADDOCK_REQUEST_LIMIT", standard: "100",
            about: "requests per 15 minutes of a user, or of an address without credentials; 0 for no limit"),
        .init(
            name: "server.logStreams", variable: "PADDOCK_LOG_STREAMS", standard: "1200",
            about: "logs that a user may have open at once on this node; 0 for no limit"),
        .init(
            name: "server.accessLog", variable: "PADDOCK_ACCESS_LOG", standard: "true", about: "a line for each request"
        ),
        .init(
            name: "log.level", variable: "PADDOCK_LOG_LEVEL", standard: "info",
            about: "trace, debug, info, notice, warning, error or critical"),
    ]

    static let authentication: [ConfigurationKey] = [
        .init(
            name: "auth.jwtSecret", variable: "JWT_SECRET", standard: "",
            about: "secret of JWTs signed with HS256, at least 32 bytes; without it they are not taken", isSecret: true),
        .init(
            name: "auth.jwtExpiry", variable: "JWT_EXPIRY", standard: "7d",
            about: "longest time that such a JWT may be valid from now on; one whose exp is later is refused"),
        .init(
            name: "auth.jwks", variable: "PADDOCK_JWKS", standard: "",
            about: "file or https URL of a JWKS; with it JWTs signed with RS256, ES256 or EdDSA are taken"),
        .init(
            name: "auth.audience", variable: "PADDOCK_JWT_AUDIENCE", standard: "",
            about: "what a JWT must be meant for (aud), one of these, separated by commas"),
        .init(
            name: "auth.issuer", variable: "PADDOCK_JWT_ISSUER", standard: "",
            about: "who must have issued a JWT (iss); needed with auth.jwks"),
    ]

    static let storage: [ConfigurationKey] = [
        .init(
            name: "database.url", variable: "DATABASE_URL", standard: "",
            about: "postgresql://… or sqlite:PATH; without it a file in the state folder", isSecret: true),
        .init(
            name: "database.connections", variable: "PADDOCK_DATABASE_CONNECTIONS", standard: "8",
            about: "connections to PostgreSQL at once"),
        .init(
            name: "state.folder", variable: "PADDOCK_STATE_DIR", standard: "",
            about: "folder of what must outlive a restart; /var/lib/paddock for root"),
    ]

    static let node: [ConfigurationKey] = [
        .init(
            name: "docker.host", variable: "DOCKER_HOST", standard: "unix:///var/run/docker.sock",
            about: "the Engine's socket"),
        .init(name: "node.slots", variable: "PADDOCK_SLOTS", standard: "8", about: "executions at once on this node"),
        .init(
            name: "node.stopTimeout", variable: "PADDOCK_NODE_STOP_TIMEOUT", standard: "30s",
            about: "for running executions to end when the node stops; what runs longer is taken over by the next one"),
        .init(
            name: "queue.capacity", variable: "PADDOCK_QUEUE_CAPACITY", standard: "10000",
            about: "executions that may wait"),
        .init(
            name: "logs.retention", variable: "PADDOCK_LOG_RETENTION", standard: "30d",
            about: "how long logs are kept after their execution's end"),
        .init(
            name: "webhooks.allowHTTP", variable: "PADDOCK_WEBHOOKS_ALLOW_HTTP", standard: "false",
            about: "send webhooks to plain http too: whoever is on the way reads outputs"),
        .init(
            name: "egress.allowPrivate", variable: "PADDOCK_EGRESS_ALLOW_PRIVATE", standard: "",
            about: "private ranges that allowed hosts may be in, such as 10.0.0.0/8, separated by commas"),
    ]

    static let pool: [ConfigurationKey] = [
        .init(
            name: "pool.ceiling", variable: "PADDOCK_POOL_CEILING", standard: "16",
            about: "sandboxes that are prepared ahead, of all agents; 0 for none"),
        .init(
            name: "pool.memoryMiB", variable: "PADDOCK_POOL_MEMORY_MIB", standard: "256",
            about: "memory for those that wait: 6 MiB each, and 24 under gVisor"),
        .init(
            name: "pool.agentFloor", variable: "PADDOCK_POOL_AGENT_FLOOR", standard: "0",
            about: "of an agent, at least so many from its first launch on"),
        .init(
            name: "pool.agentCeiling", variable: "PADDOCK_POOL_AGENT_CEILING", standard: "4",
            about: "of an agent, at most so many"),
        .init(
            name: "pool.agents", variable: "PADDOCK_POOL_AGENTS", standard: "",
            about: "other floors and ceilings, as AGENT_ID=FLOOR:CEILING, separated by commas"),
        .init(
            name: "pool.halfLife", variable: "PADDOCK_POOL_HALF_LIFE", standard: "5m",
            about: "time after which a launch counts half for how many are prepared"),
        .init(
            name: "pool.age", variable: "PADDOCK_POOL_AGE", standard: "10m",
            about: "time after which one that waits is replaced"),
        .init(
            name: "pool.parallel", variable: "PADDOCK_POOL_PARALLEL", standard: "",
            about: "prepared at once; half of the processors unless given"),
    ]
}
