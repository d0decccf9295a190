/// What went wrong in a call to the Engine: its own answer, or what failed on the way.
public struct DockerError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure. More kinds may come.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Base: String {
            case unsupportedHost, socketMissing, permissionDenied, notListening, unsupportedVersion
            case timedOut, connectionLost, malformedResponse, status, reported, unreadableFile, closed
        }

        private let base: Base

        /// `DOCKER_HOST` names something other than a unix socket.
        public static let unsupportedHost = Code(base: .unsupportedHost)
        /// There is no socket at the path.
        public static let socketMissing = Code(base: .socketMissing)
        /// The socket is there, and this user may not use it.
        public static let permissionDenied = Code(base: .permissionDenied)
        /// The socket is there, and no Engine listens on it.
        public static let notListening = Code(base: .notListening)
        /// The Engine speaks no version of the API that this client knows.
        public static let unsupportedVersion = Code(base: .unsupportedVersion)
        /// The call's deadline, or a stream's idle limit, passed.
        public static let timedOut = Code(base: .timedOut)
        /// The connection broke before the answer was whole.
        public static let connectionLost = Code(base: .connectionLost)
        /// The answer is not what the API describes.
        public static let malformedResponse = Code(base: .malformedResponse)
        /// The Engine answered with an HTTP error status; see ``DockerError/status``.
        public static let status = Code(base: .status)
        /// The Engine answered 200 and reported a failure inside the stream (pull, build, load).
        public static let reported = Code(base: .reported)
        /// A file to be sent could not be read.
        public static let unreadableFile = Code(base: .unreadableFile)
        /// The client was shut down.
        public static let closed = Code(base: .closed)

        public var description: String { base.rawValue }
    }

    public let code: Code
    /// What was wrong and, where that is known, what to do.
    public let message: String
    /// The call, such as `POST /containers/create`.
    public let operation: String
    /// The HTTP status, when the code is ``Code/status``.
    public let status: Int?

    public init(_ code: Code, _ message: String, operation: String, status: Int? = nil) {
        self.code = code
        self.message = message
        self.operation = operation
        self.status = status
    }

    /// Whether the Engine answered 404: no such container, image or network.
    public var isNotFound: Bool { status == 404 }

    /// Whether the Engine answered 409: a name in use, or a state that does not allow the call.
    public var isConflict: Bool { status == 409 }

    /// Whether the Engine is removing that container for somebody else at this moment.
    public var isBeingRemoved: Bool { isConflict && message.contains("already in progress") }

    /// Whether the Engine could not be reached, or went away during the call.
    public var isEngineAway: Bool {
        [.socketMissing, .permissionDenied, .notListening, .connectionLost, .timedOut].contains(code)
    }

    public var description: String {
        let status = status.map { " (\($0))" } ?? ""
        return "\(operation): \(message)\(status)"
    }
}
