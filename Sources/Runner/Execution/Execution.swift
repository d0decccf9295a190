public import Entitlements
public import Foundation

/// An execution as users see it; the contract, §3.
public struct Execution: Sendable {
    public enum Status: String, Sendable, Codable, CaseIterable {
        case queued, starting, running, stopping, succeeded, failed, canceled
        case timedOut = "timed_out"
        case lost

        /// Whether nothing can come after it.
        public var isFinal: Bool {
            switch self {
            case .queued, .starting, .running, .stopping: false
            case .succeeded, .failed, .canceled, .timedOut, .lost: true
            }
        }
    }

    public enum Reason: String, Sendable, Codable, CaseIterable {
        case exit, signal
        case memoryLimit = "memory_limit"
        case wallTimeout = "wall_timeout"
        case cpuTimeout = "cpu_timeout"
        case outputLimit = "output_limit"
        case outputInvalid = "output_invalid"
        case canceled
        case imageError = "image_error"
        case engineError = "engine_error"
        case runnerLost = "runner_lost"
    }

    /// What happened on the way but need not be the cause.
    public struct Note: Sendable, Equatable, Codable {
        public enum Code: String, Sendable, Codable {
            case pidsLimit = "pids_limit"
            case tmpFull = "tmp_full"
            case childOOM = "child_oom"
            case logTruncated = "log_truncated"
            case logRecovered = "log_recovered"
        }

        public let code: Code
        public let message: String
    }

    public struct Usage: Sendable, Equatable, Codable {
        /// From launch to the end of the agent's first process.
        public var wallMs: Int = 0
        /// Of all processes.
        public var cpuMs: Int = 0
        /// The cgroup's peak.
        public var maxMemoryBytes: Int64 = 0
        /// All that the agent wrote, also what was left out of the log.
        public var logBytes: Int64 = 0
        /// Both ways, over all its connections.
        public var egressBytes: Int64 = 0

        public init() {}
    }

    public struct Network: Sendable, Equatable, Encodable {
        /// `none` or `allowlist`.
        public var mode = "none"
        /// `HOST:PORT`, in mode `allowlist`.
        public var allow: [String]?
        /// In mode `allowlist`, what it tried to reach: the first thousand, in the order in which they ended.
        public var connections: [EgressRecord]?
        /// How many more there were.
        public var droppedConnections: Int?
        /// Of all of them.
        public var connectionCounts: EgressReport.Counts?
    }

    public let id: ExecutionID
    public let agentID: String
    public let userID: String
    /// `sha256:…` of the image that ran.
    public let image: String
    public var status: Status
    public var reason: Reason?
    /// 128 + N for a signal N; nil when the agent never ended by itself or ran at all.
    public var exitCode: Int?
    public var signal: String?
    public var message: String?
    public let createdAt: Date
    public var startedAt: Date?
    public var finishedAt: Date?
    public let limits: Limits
    public var network = Network()
    public var runtime: String?
    public var usage = Usage()
    public var notes: [Note] = []
    public var output: JSONValue = .null
    public var labels: [String: String] = [:]
}

extension Execution: Encodable {
    private enum CodingKeys: String, CodingKey {
        case id
        case agentID = "agentId"
        case userID = "userId"
        case image, status, reason, exitCode, signal, message, createdAt, startedAt, finishedAt, limits, network
        case runtime, usage, notes, output, labels
    }

    /// Every key is always there, null where there is no value.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(id, forKey: .id)
        try container.encode(agentID, forKey: .agentID)
        try container.encode(userID, forKey: .userID)
        try container.encode(image, forKey: .image)
        try container.encode(status, forKey: .status)
        try container.encode(reason, forKey: .reason)
        try container.encode(exitCode, forKey: .exitCode)
        try container.encode(signal, forKey: .signal)
        try container.encode(message, forKey: .message)
        try container.encode(createdAt.rfc3339, forKey: .createdAt)
        try container.encode(startedAt?.rfc3339, forKey: .startedAt)
        try container.encode(finishedAt?.rfc3339, forKey: .finishedAt)
        try container.encode(limits, forKey: .limits)
        try container.encode(network, forKey: .network)
        try container.encode(runtime, forKey: .runtime)
        try container.encode(usage, forKey: .usage)
        try container.encode(notes, forKey: .notes)
        try container.encode(output, forKey: .output)
        try container.encode(labels, forKey: .labels)
    }

    /// The execution as one JSON document.
    public func serialized(isPretty: Bool = true) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if isPretty { encoder.outputFormatting.insert(.prettyPrinted) }
        return [UInt8](try encoder.encode(self))
    }
}

extension Date {
    /// RFC 3339 in UTC with milliseconds.
    public var rfc3339: String {
        // The style cuts off what is below a millisecond, and a double can lie a little below a whole one.
        let whole = Date(timeIntervalSince1970: (timeIntervalSince1970 * 1000).rounded() / 1000 + 0.000_1)
        return whole.formatted(
            .iso8601.year().month().day().timeZone(separator: .omitted).time(includingFractionalSeconds: true))
    }
}
