public import Foundation

/// One connection out of a sandbox, or an attempt at one.
public struct EgressRecord: Sendable, Equatable {
    public enum Verdict: String, Sendable, Codable {
        /// Connected.
        case allowed
        /// Not let through.
        case refused
        /// Let through, and not to be had.
        case failed
    }

    /// Why it was refused, failed, or was cut off.
    public struct Reason: Sendable, Equatable, Error {
        public enum Code: String, Sendable, Codable {
            case notListed = "not_listed"
            case reservedAddress = "reserved_address"
            case byteLimit = "byte_limit"
            case connectionLimit = "connection_limit"
            case malformed
            case unresolved
            case unreachable
            case badAnswer = "bad_answer"
            case timeout
            case abandoned
        }

        public let code: Code
        /// For the agent's developer.
        public let message: String

        init(_ code: Code, _ message: String) {
            self.code = code
            self.message = message
        }

        var verdict: Verdict {
            switch code {
            case .notListed, .reservedAddress, .byteLimit, .connectionLimit, .malformed: .refused
            case .unresolved, .unreachable, .badAnswer, .timeout, .abandoned: .failed
            }
        }
    }

    /// When it was asked for.
    public let time: Date
    /// `CONNECT`, or the method of a request in plain HTTP. nil for what is no HTTP; host and port then are too.
    public var method: String?
    public var host: String?
    public var port: Int?
    /// That was connected to.
    public var address: String?
    /// To the address, as it crossed the connection.
    public var sentBytes: Int64 = 0
    /// From the address.
    public var receivedBytes: Int64 = 0
    public var verdict: Verdict
    public var reason: Reason?

    /// Whether an operator's private range could let it through, where it was refused for its address.
    public var isPrivate: Bool {
        guard reason?.code == .reservedAddress, let address = address.flatMap({ IPAddress($0) }),
            let entry = ReservedAddresses.entry(for: address)
        else { return false }
        return entry.opening != .never
    }

    /// What was asked for: `CONNECT example.com:443`, `GET http://example.com:80`.
    public var request: String {
        guard let method, let host, let port else { return "a request" }
        return "\(method) \(method == "CONNECT" ? "" : "http://")\(host):\(port)"
    }

    init(_ verdict: Verdict, method: String?, target: EgressTarget?, reason: Reason? = nil) {
        time = Date()
        self.verdict = verdict
        self.method = method
        host = target?.host.description
        port = target?.port
        self.reason = reason
    }
}

extension EgressRecord: Encodable {
    private enum CodingKeys: String, CodingKey {
        case time, method, host, port, address, sentBytes, receivedBytes, verdict, reason, message
    }

    /// What there is no value for is left out.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(time.rfc3339, forKey: .time)
        try container.encodeIfPresent(method, forKey: .method)
        try container.encodeIfPresent(host, forKey: .host)
        try container.encodeIfPresent(port, forKey: .port)
        try container.encodeIfPresent(address, forKey: .address)
        try container.encode(sentBytes, forKey: .sentBytes)
        try container.encode(receivedBytes, forKey: .receivedBytes)
        try container.encode(verdict, forKey: .verdict)
        try container.encodeIfPresent(reason?.code, forKey: .reason)
        try container.encodeIfPresent(reason?.message, forKey: .message)
    }
}
