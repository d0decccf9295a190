/// How the HTTP server listens, and what it bears.
public struct ServerConfiguration: Sendable {
    /// Certificate and key, in PEM files.
    public struct TLSFiles: Sendable {
        public var certificateChain: String
        public var privateKey: String

        public init(certificateChain: String, privateKey: String) {
            self.certificateChain = certificateChain
            self.privateKey = privateKey
        }
    }

    /// A host name or an address.
    public var host = "127.0.0.1"
    /// 0 for one that is free.
    public var port = 8200
    public var tls: TLSFiles?
    /// Listens on other addresses than loopback's without TLS: tokens can be read on the way.
    public var allowsInsecureHTTP = false
    /// Open connections at once; beyond that the kernel's backlog takes them.
    public var maxConnections = 4096
    /// Bytes of a request's body.
    public var maxBodyBytes = 1 << 20
    /// Bytes of a request's line and headers together.
    public var maxHeaderBytes = 16 << 10
    /// From the opening of a connection, or the answer before, to the whole head of a request.
    public var headTimeout: Duration = .seconds(10)
    /// For a request's body to arrive as a whole.
    public var bodyTimeout: Duration = .seconds(30)
    /// Headers that a request may have.
    static let maxHeaders = 100
    /// Between two requests on one connection.
    public var idleTimeout: Duration = .seconds(60)
    /// For a client that does not read to take more.
    public var writeTimeout: Duration = .seconds(60)
    /// How long requests that are under way may go on once the server stops.
    public var stopTimeout: Duration = .seconds(10)
    /// Origins whose pages may call the API from a browser; none by default. `*` for all.
    public var corsOrigins: [String] = []
    /// Addresses of proxies in front, whose `X-Forwarded-For` is believed.
    public var trustedProxies: [String] = []
    /// Requests per 15 minutes of a user, or of an address without credentials; 0 for no limit.
    public var requestLimit = 100
    /// Logs that one user may have open at once on this node; 0 for no limit.
    public var logStreams = 1200
    /// Whether each request is written to the log.
    public var logsRequests = true

    public init() {}

    /// What must not be served.
    public struct Refused: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    /// - Throws: ``Refused`` for an address that others can reach, without TLS.
    public func validate() throws {
        guard !isLoopback, tls == nil, !allowsInsecureHTTP else { return }
        throw Refused(
            description: "listening on \(host) without TLS would send keys and inputs in the clear: "
                + "give --tls-cert and --tls-key, listen on 127.0.0.1 behind a proxy, or say --insecure-http")
    }

    private var isLoopback: Bool {
        host == "localhost" || host == "::1" || host.wholeMatch(of: /127\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}/) != nil
    }
}
