public import Entitlements
import Storage

/// What is written into the queue: everything that any node needs to run the execution.
public struct ExecutionTicket: Sendable, Codable, Equatable {
    public var agentID: String
    public var userID: String
    /// A name with a digest, or an id.
    public var image: String
    /// In place of the image's own.
    public var command: [String]?
    public var limits: Limits
    /// One JSON value.
    public var input: String
    /// `NAME=VALUE`.
    public var environment: [String] = []
    /// `HOST:PORT`.
    public var allow: [String] = []
    /// CIDR.
    public var allowPrivate: [String] = []
    public var runtime: String?
    public var seccomp: SeccompRequest?
    public var outputSchema: JSONValue?
    /// The submitter's own.
    public var labels: [String: String] = [:]

    public init(agentID: String, userID: String, image: String, limits: Limits, input: String) {
        self.agentID = agentID
        self.userID = userID
        self.image = image
        self.limits = limits
        self.input = input
    }
}

extension ExecutionTicket {
    /// - Throws: what keeps it from being run here, such as an image that cannot be had.
    func request(
        _ id: ExecutionID, _ stored: StoredExecution, host: RunnerHost, secrets: [String: [UInt8]]
    ) async throws -> ExecutionRequest {
        let runtime = try await host.runtime(named: runtime)
        try runtime.check(limits)
        let image = try await host.image(image)
        var request = ExecutionRequest(
            image: image, command: try image.command(overriddenBy: command, arguments: []), limits: limits,
            input: Array(input.utf8), endsWithRunner: false)
        request.id = id
        request.fence = stored.fence
        request.createdAt = stored.createdAt
        request.agentID = agentID
        request.userID = userID
        request.environment = environment
        request.labels = labels
        request.secrets = secrets.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        request.runtime = runtime
        request.seccomp = seccomp
        request.outputSchema = try outputSchema.map { try JSONSchema(known: $0) }
        if !allow.isEmpty {
            request.egress = try EgressPolicy(
                rules: allow.map { try EgressRule($0) }, allowedPrivate: allowPrivate.map { try AddressRange($0) })
            try runtime.check(request.egress)
        }
        return request
    }
}
