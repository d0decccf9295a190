#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// A client of the Docker Engine's HTTP API over its unix socket.
///
/// One connection pool and one thread serve every call. A client is made by ``withClient(_:_:)`` or ``connect(_:)``,
/// which negotiates the API version once. It holds no policy: what it is told is what it sends.
///
/// Source: Docker Engine API 1.41 to 1.47, https://docs.docker.com/reference/api/engine/.
public struct DockerClient: Sendable {
    /// How to reach the Engine and how long to wait for it.
    public struct Configuration: Sendable {
        /// The Engine's socket; at most 107 bytes, as the kernel allows.
        public var socketPath: String
        /// Longest wait for an answer to a call that the Engine can answer at once.
        public var callDeadline: Duration = .seconds(30)
        /// Longest wait for a call that makes the Engine work: create, start, stop, kill, remove.
        public var workDeadline: Duration = .seconds(60)
        /// Longest silence of a progress stream: pull, build, load.
        public var progressIdleLimit: Duration = .seconds(600)

        public init(socketPath: String = "/var/run/docker.sock") {
            self.socketPath = socketPath
        }

        /// Reads `DOCKER_HOST`: empty or absent for the default socket, `unix:///path`, or a plain absolute path.
        /// - Throws: ``DockerError/Code/unsupportedHost`` for anything else.
        public init(dockerHost: String?) throws {
            self.init()
            guard let host = dockerHost, !host.isEmpty else { return }
            if host.hasPrefix("unix://") {
                socketPath = String(host.dropFirst("unix://".count))
            } else if host.hasPrefix("/") {
                socketPath = host
            } else {
                throw Self.unsupported(host, "only unix sockets are supported, such as unix:///var/run/docker.sock")
            }
            guard socketPath.hasPrefix("/") else { throw Self.unsupported(host, "the socket's path must be absolute") }
            try checkLength()
        }

        func checkLength() throws {
            guard socketPath.utf8.count <= 107 else {
                throw Self.unsupported("unix://\(socketPath)", "the kernel allows socket paths of at most 107 bytes")
            }
        }

        private static func unsupported(_ host: String, _ reason: String) -> DockerError {
            DockerError(.unsupportedHost, "\(reason); unset or change it", operation: "DOCKER_HOST=\(host)")
        }
    }

    /// The oldest API that has all we use (Engine 20.10).
    public static let oldestVersion = APIVersion(major: 1, minor: 41)
    /// The newest API whose changes we have read (Engine 27).
    public static let newestVersion = APIVersion(major: 1, minor: 47)

    /// The version that every call names.
    public let version: APIVersion
    public let configuration: Configuration
    let transport: CurlTransport

    /// Connects and negotiates the newest version that both sides know.
    /// - Throws: ``DockerError`` that says why no Engine could be used.
    public static func connect(_ configuration: Configuration = Configuration()) async throws -> DockerClient {
        try configuration.checkLength()
        let transport = try CurlTransport(socketPath: configuration.socketPath)
        let ping = DockerClient(version: oldestVersion, configuration: configuration, transport: transport)
        do {
            let version = try await ping.ping()
            guard version >= oldestVersion else {
                throw DockerError(
                    .unsupportedVersion,
                    "the Engine speaks API \(version), and \(oldestVersion) is needed: upgrade it to 20.10 or newer",
                    operation: "GET /_ping")
            }
            return DockerClient(
                version: min(version, newestVersion), configuration: configuration, transport: transport)
        } catch {
            transport.shutdown()
            throw error
        }
    }

    /// Connects, runs `body`, and shuts the client down on every path.
    public static func withClient<Result>(
        _ configuration: Configuration = Configuration(), _ body: (DockerClient) async throws -> Result
    ) async throws -> Result {
        let client = try await connect(configuration)
        defer { client.shutdown() }
        return try await body(client)
    }

    /// Ends every call with ``DockerError/Code/closed`` and stops the thread. The client cannot be used after it.
    public func shutdown() { transport.shutdown() }

    // MARK: What the endpoints are made of

    /// How a call waits.
    enum Wait {
        /// The Engine can answer at once.
        case answer
        /// The Engine has to work; `extra` is what the caller asked it to wait.
        case work(extra: Duration = .zero)
        /// A stream that may be silent for ever once it has begun.
        case stream
        /// A stream that reports progress.
        case progress
    }

    func request(
        _ method: String, _ path: String, query: [(String, String?)] = [],
        body: HTTPRequest.Body = .none, wait: Wait
    ) -> HTTPRequest {
        let pairs = query.compactMap { name, value in value.map { "\(name)=\($0.percentEncoded)" } }
        let target = "/v\(version)\(path)" + (pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&"))
        var request = HTTPRequest(
            method: method, target: target, operation: "\(method) \(path)", body: body,
            headDeadline: configuration.callDeadline)
        switch wait {
        case .answer:
            request.totalDeadline = configuration.callDeadline
        case .work(let extra):
            request.headDeadline = configuration.workDeadline + extra
            request.totalDeadline = configuration.workDeadline + extra
        case .stream: break
        case .progress:
            request.headDeadline = configuration.progressIdleLimit
            request.idleLimit = configuration.progressIdleLimit
        }
        return request
    }

    /// Sends a request and throws for every status of 400 and above.
    func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        let response = try await transport.exchange(request)
        try await check(response, request.operation)
        return response
    }

    func check(_ response: HTTPResponse, _ operation: String) async throws {
        let status = response.head.status
        guard status >= 400 || (300..<304).contains(status) else { return }
        let body = try await response.body.collect(upTo: 1 << 20, operation: operation)
        struct Message: Decodable { let message: String }
        let words =
            (try? JSONDecoder().decode(Message.self, from: Data(body)).message)
            ?? String(decoding: body.prefix(500), as: UTF8.self)
        let message = words.isEmpty ? "the Engine gave no reason" : words
        EngineMetrics.failed(operation, "\(status)")
        throw DockerError(.status, message, operation: operation, status: status)
    }

    /// Sends a request whose answer is empty or of no interest.
    func perform(_ request: HTTPRequest) async throws {
        _ = try await send(request).body.collect(upTo: 1 << 20, operation: request.operation)
    }

    /// Sends a request whose answer is one JSON value.
    func fetch<Value: Decodable>(_ request: HTTPRequest) async throws -> Value {
        let body = try await send(request).body.collect(upTo: 64 << 20, operation: request.operation)
        return try EngineJSON.decode(body, operation: request.operation)
    }
}

extension DockerClient {
    /// A version of the Engine's API.
    public struct APIVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
        public let major: Int
        public let minor: Int

        public init(major: Int, minor: Int) {
            self.major = major
            self.minor = minor
        }

        /// Reads `1.41`; nil for anything else.
        public init?(_ text: String) {
            let parts = text.split(separator: ".").map { Int($0) }
            guard parts.count == 2, let major = parts[0], let minor = parts[1] else { return nil }
            self.init(major: major, minor: minor)
        }

        public static func < (a: APIVersion, b: APIVersion) -> Bool { (a.major, a.minor) < (b.major, b.minor) }
        public var description: String { "\(major).\(minor)" }
    }
}

extension String {
    /// Everything but RFC 3986's unreserved characters escaped, so that it may stand in a path segment or a query.
    var percentEncoded: String {
        var result = ""
        for byte in utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let hex = String(byte, radix: 16, uppercase: true)
                result += hex.count == 1 ? "%0\(hex)" : "%\(hex)"
            }
        }
        return result
    }
}
