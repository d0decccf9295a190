public import Entitlements

/// What somebody submits, read and checked as far as it can be without the database.
public struct Submission: Sendable {
    /// Makes a submission that is sent again the same one.
    public struct Idempotency: Sendable {
        public let key: String
        /// Of the whole request.
        public let fingerprint: [UInt8]

        public init(key: String, fingerprint: [UInt8]) {
            self.key = key
            self.fingerprint = fingerprint
        }
    }

    public var userID: String
    public var agentID: String
    public var input: JSONValue
    public var limits = LimitsRequest()
    /// `HOST[:PORT]`; nil for the agent's own, empty for no network.
    public var hosts: [String]?
    public var environment: [String: String] = [:]
    public var labels: [String: String] = [:]
    /// By name; what the agent finds in files.
    public var secrets: [String: [UInt8]] = [:]
    /// Where its end is told.
    public var webhook: WebhookURL?
    /// The caller's part of a trace.
    public var trace: TraceContext?
    public var idempotency: Idempotency?

    public init(userID: String, agentID: String, input: JSONValue) {
        self.userID = userID
        self.agentID = agentID
        self.input = input
    }

    /// Makes it a part of a trace, which becomes a label as well where there is room and none of its name.
    public mutating func take(_ trace: TraceContext) {
        self.trace = trace
        if labels.count < Self.labelCount, labels[TraceContext.label] == nil {
            labels[TraceContext.label] = trace.traceID
        }
    }
}

extension Submission {
    private static let environmentCount = 64
    private static let environmentBytes = 64 << 10
    private static let labelCount = 16
    private static let secretCount = 64
    private static let secretBytes = 256 << 10

    /// - Throws: ``Refusal`` with everything that is wrong.
    func validate() throws {
        var faults: [Refusal.Fault] = []
        func check(_ isRight: Bool, _ path: String, _ message: String) {
            if !isRight { faults.append(.init(path: path, message: message)) }
        }
        check(
            environment.count <= Self.environmentCount, "/env", "must have at most \(Self.environmentCount) variables")
        let bytes = environment.reduce(0) { $0 + $1.key.utf8.count + $1.value.utf8.count + 2 }
        check(bytes <= Self.environmentBytes, "/env", "must have at most \(Self.environmentBytes >> 10) KiB in all")
        for (name, value) in environment.sorted(by: { $0.key < $1.key }) {
            check(Self.isVariable(name), "/env", "'\(name.prefix(64))' is no name of a variable")
            check(!name.hasPrefix("PADDOCK_"), "/env/\(name)", "names that begin with PADDOCK_ are Paddock's own")
            check(!value.utf8.contains(0), "/env/\(name)", "must not hold U+0000")
        }
        check(secrets.count <= Self.secretCount, "/secrets", "must be at most \(Self.secretCount)")
        let sealed = secrets.reduce(0) { $0 + $1.value.count }
        check(sealed <= Self.secretBytes, "/secrets", "must have at most \(Self.secretBytes >> 10) KiB in all")
        for name in secrets.keys.sorted() {
            check(
                Self.isSecret(name), "/secrets", "'\(name.prefix(64))' must be 1 to 64 letters, digits, '_', '.' or '-'"
            )
        }
        check(labels.count <= Self.labelCount, "/labels", "must be at most \(Self.labelCount)")
        for (name, value) in labels.sorted(by: { $0.key < $1.key }) {
            check(
                Self.isLabel(name), "/labels",
                "'\(name.prefix(64))' must be 1 to 63 letters, digits, '.', '_', '/' or '-'")
            check(
                value.unicodeScalars.count <= 255 && !value.utf8.contains(0), "/labels/\(name)",
                "must have at most 255 characters")
        }
        for (index, host) in (hosts ?? []).enumerated() {
            do {
                _ = try EgressRule(host)
            } catch {
                check(false, "/network/allow/\(index)", "\(error)")
            }
        }
        guard faults.isEmpty else {
            throw Refusal(
                .validationFailed, faults.map { "\($0.path): \($0.message)" }.joined(separator: "; "), faults: faults)
        }
    }

    /// As the rules are compared and stored: in full, with the port.
    func normalizedHosts() throws -> [String]? { try hosts?.map { try EgressRule($0).description } }

    /// Whether a label can be named so.
    public static func isLabel(_ name: String) -> Bool {
        (1...63).contains(name.utf8.count)
            && name.utf8.allSatisfy { isLetterOrDigit($0) || Array("._/-".utf8).contains($0) }
    }

    private static func isSecret(_ name: String) -> Bool {
        (1...64).contains(name.utf8.count) && name != "." && name != ".."
            && name.utf8.allSatisfy { isLetterOrDigit($0) || Array("._-".utf8).contains($0) }
    }

    private static func isVariable(_ name: String) -> Bool {
        (1...128).contains(name.utf8.count) && name.utf8.allSatisfy { isLetterOrDigit($0) || $0 == UInt8(ascii: "_") }
            && !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(name.utf8.first ?? 0)
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }
}
