/// A place in a distributed trace: W3C Trace Context, `traceparent`, version 00.
///
/// Source: https://www.w3.org/TR/trace-context/.
public struct TraceContext: Sendable, Hashable, CustomStringConvertible {
    /// An execution's label that has the trace's id; the same name is used in the log.
    public static let label = "trace.id"

    /// 32 digits of hexadecimal, not all 0.
    public let traceID: String
    /// 16 digits of hexadecimal, not all 0: the caller's part of the trace.
    public let parentID: String
    /// Whether the caller records the trace.
    public let isSampled: Bool

    /// A trace of its own.
    public init() {
        traceID = Self.hex(UInt64.random(in: 1...UInt64.max)) + Self.hex(UInt64.random(in: 0...UInt64.max))
        parentID = Self.hex(UInt64.random(in: 1...UInt64.max))
        isSampled = false
    }

    /// Reads a `traceparent` header; nil for one that the specification says to ignore.
    public init?(_ header: String) {
        let parts = header.split(separator: "-", omittingEmptySubsequences: false).map(String.init)
        guard parts.count >= 4, Self.isHex(parts[0], 2), parts[0] != "ff",
            // A later version may say more behind what this one says.
            parts[0] != "00" || parts.count == 4,
            Self.isHex(parts[1], 32), parts[1].contains(where: { $0 != "0" }),
            Self.isHex(parts[2], 16), parts[2].contains(where: { $0 != "0" }),
            Self.isHex(parts[3], 2), let flags = UInt8(parts[3], radix: 16)
        else { return nil }
        traceID = parts[1]
        parentID = parts[2]
        isSampled = flags & 1 == 1
    }

    private init(traceID: String, isSampled: Bool) {
        self.traceID = traceID
        parentID = Self.hex(UInt64.random(in: 1...UInt64.max))
        self.isSampled = isSampled
    }

    /// The same trace, with a part of our own: what is sent on.
    public func child() -> TraceContext { TraceContext(traceID: traceID, isSampled: isSampled) }

    /// As the header has it.
    public var description: String { "00-\(traceID)-\(parentID)-\(isSampled ? "01" : "00")" }

    private static func hex(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static func isHex(_ text: String, _ length: Int) -> Bool {
        text.utf8.count == length
            && text.utf8.allSatisfy {
                (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0)
                    || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains($0)
            }
    }
}
