/// An image as inspect shows it; only what Paddock reads.
public struct ImageDetails: Sendable, Decodable {
    /// `sha256:…` of its configuration.
    public let id: String
    public let repoTags: [String]?
    /// Only after a push or pull.
    public let repoDigests: [String]?
    /// Bytes.
    public let size: Int64
    public let architecture: String
    public let os: String
    public let config: Config?

    public struct Config: Sendable, Decodable {
        public let user: String?
        public let env: [String]?
        public let entrypoint: [String]?
        public let cmd: [String]?
        public let workingDir: String?
        public let volumes: [String: Empty]?
        public let labels: [String: String]?
    }

    public struct Empty: Sendable, Decodable {}
}

/// An image as the list shows it.
public struct ImageSummary: Sendable, Decodable {
    public let id: String
    public let repoTags: [String]?
    public let labels: [String: String]?
    /// Bytes.
    public let size: Int64
}

/// One line of the progress of a pull, build or load. These keys are lower-case in the Engine's API.
public struct ProgressMessage: Sendable, Decodable {
    /// What is being done, such as `Downloading`.
    public let status: String?
    /// The layer it is done to.
    public let id: String?
    public let progressDetail: Detail?
    /// The builder's own words.
    public let stream: String?
    /// The result: for a build, the image's id.
    public let aux: Aux?
    let error: String?
    let errorDetail: Failure?

    public struct Detail: Sendable, Decodable {
        /// Bytes so far; can exceed the total.
        public let current: Int64?
        public let total: Int64?
    }

    public struct Aux: Sendable, Decodable {
        /// As the decoder's key strategy leaves `ID`.
        private let iD: String?
        /// The image's id.
        public var imageID: String? { iD }
    }

    struct Failure: Sendable, Decodable {
        let message: String?
    }
}

/// The progress of a pull, build or load. Iterating throws a failure that the Engine reports inside the stream.
public struct ProgressStream: AsyncSequence, Sendable {
    public typealias Element = ProgressMessage

    let lines: JSONLines<ProgressMessage>

    public struct AsyncIterator: AsyncIteratorProtocol {
        var base: JSONLines<ProgressMessage>.AsyncIterator
        let operation: String

        /// - Throws: ``DockerError/Code/reported`` with the Engine's words.
        public mutating func next() async throws -> ProgressMessage? {
            guard let message = try await base.next() else { return nil }
            if let failure = message.errorDetail?.message ?? message.error {
                throw DockerError(.reported, failure, operation: operation)
            }
            return message
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(base: lines.makeAsyncIterator(), operation: lines.operation)
    }
}
