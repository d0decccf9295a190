/// A request over HTTP or HTTPS. TLS certificates are always verified, and redirects never followed.
public struct WebRequest: Sendable {
    public var method: String
    /// `http://…` or `https://…`.
    public var url: String
    public var headers: [(name: String, value: String)] = []
    public var body: [UInt8]?
    /// For the connection to stand, TLS included.
    public var connectLimit: Duration = .seconds(10)
    /// For all of the exchange; nil for one that may go on for ever.
    public var totalLimit: Duration? = .seconds(30)
    /// Longest silence of the other side once its answer has begun; nil for any.
    public var idleLimit: Duration?
    /// Where to connect to, whatever the URL's name leads to: a numeric address, and no proxy. The certificate is
    /// checked against the URL's name.
    public var address: Address?
    /// A PEM file of certificate authorities that are trusted in place of the system's.
    public var authorities: String?

    /// An address and a port.
    public struct Address: Sendable, Equatable {
        /// As inet_ntop(3) writes it.
        public var ip: String
        public var port: Int

        public init(ip: String, port: Int) {
            self.ip = ip
            self.port = port
        }

        /// For `CURLOPT_CONNECT_TO`: in place of every host and port.
        var connectTo: String { "::\(ip.contains(":") ? "[\(ip)]" : ip):\(port)" }
    }

    public init(_ method: String = "GET", _ url: String) {
        self.method = method
        self.url = url
    }
}

/// The beginning of an answer.
public struct WebHead: Sendable {
    public internal(set) var status = 0
    /// By their names in small letters; of several with one name the first.
    public internal(set) var headers: [String: String] = [:]

    public init() {}
}

/// A whole answer.
public struct WebResponse: Sendable {
    public var head: WebHead
    public var body: [UInt8]

    public var status: Int { head.status }
}

/// Why there is no answer, or not all of it.
public struct WebError: Error, Sendable, CustomStringConvertible {
    public enum Code: String, Sendable {
        /// No connection came about: no such name, nobody listens, no way there.
        case unreachable
        case timedOut
        /// The other side's certificate, or its TLS, is not good.
        case untrusted
        /// The connection broke, or what came is no HTTP.
        case broken
        case tooLarge
        /// The URL is none.
        case badURL
    }

    public let code: Code
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
