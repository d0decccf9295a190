/// What the init needs to launch the agent; docs/sandbox-init.md.
struct LaunchFrame: Sendable {
    /// 32 hexadecimal digits that only the runner and the init know.
    var nonce: String
    var arguments: [String]
    var environment: [String]
    var workingDirectory: String
    var outputLimit: Int
    /// When the init ends the agent by itself, should no runner be left.
    var backstop: Duration
    var cpuLimit: Duration?
    /// End the agent when the runner goes away.
    var endsWithRunner: Bool
    /// Where the init's forwarder listens on 127.0.0.1; nil for an execution that reaches nothing.
    var egressPort: Int?
    var secrets: [(name: String, value: [UInt8])] = []
    var input: [UInt8]

    static let bodyLimit = 1 << 20

    /// 128 random bits as hexadecimal digits.
    static func makeNonce() -> String {
        let digits = String(UInt128.random(in: 0...UInt128.max), radix: 16)
        return String(repeating: "0", count: 32 - digits.count) + digits
    }

    /// What cannot be put into a frame.
    struct Invalid: Error, CustomStringConvertible {
        let description: String
    }

    /// The bytes that go to the init's stdin: head, body, input.
    /// - Throws: ``Invalid`` for what the init would refuse.
    func serialized() throws -> [UInt8] {
        var body: [UInt8] = []
        func record(_ type: Character, _ bytes: [UInt8]) {
            body.append(type.asciiValue ?? 0)
            body += UInt32(bytes.count).littleEndianBytes
            body += bytes
        }
        func string(_ type: Character, _ text: String) throws {
            guard !text.utf8.contains(0) else {
                throw Invalid(description: "an argument or variable holds a NUL byte, which no program can be given")
            }
            record(type, Array(text.utf8) + [0])
        }
        guard arguments.count <= 1024, environment.count <= 1024 else {
            throw Invalid(description: "more than 1024 arguments or variables")
        }
        try string("n", nonce)
        for argument in arguments { try string("a", argument) }
        for variable in environment { try string("e", variable) }
        try string("w", workingDirectory)
        record("o", UInt64(outputLimit).littleEndianBytes)
        record("i", UInt64(input.count).littleEndianBytes)
        record("d", backstop.wholeMilliseconds.littleEndianBytes)
        if let cpuLimit { record("c", cpuLimit.wholeMilliseconds.littleEndianBytes) }
        if endsWithRunner { record("h", []) }
        if let egressPort { record("p", UInt64(egressPort).littleEndianBytes) }
        for secret in secrets { record("s", Array(secret.name.utf8) + [0] + secret.value) }
        guard body.count <= Self.bodyLimit else {
            throw Invalid(
                description:
                    "arguments, environment and secrets take \(body.count) bytes; at most \(Self.bodyLimit) fit")
        }
        return Array("PDK1".utf8) + UInt32(body.count).littleEndianBytes + body + input
    }
}

extension FixedWidthInteger {
    fileprivate var littleEndianBytes: [UInt8] { withUnsafeBytes(of: littleEndian) { Array($0) } }
}

extension Duration {
    fileprivate var wholeMilliseconds: UInt64 { UInt64(max(0, self / .milliseconds(1))) }
}
