import Foundation

/// `exe_` and a UUIDv7 (RFC 9562) in Crockford's base 32: ids sort by the time they were made.
public struct ExecutionID: Sendable, Hashable, Codable, CustomStringConvertible {
    public let description: String

    private static let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz")

    /// A new id.
    public init() {
        let milliseconds = UInt128(Date().timeIntervalSince1970 * 1000)
        let random = UInt128.random(in: 0...UInt128.max)
        let version: UInt128 = 7 << 76
        let variant: UInt128 = 0b10 << 62
        let randomA = (random >> 64) & 0xFFF
        let randomB = random & ((1 << 62) - 1)
        let uuid = milliseconds << 80 | version | randomA << 64 | variant | randomB
        let digits = (0..<26).reversed().map { Self.alphabet[Int(uuid >> (5 * $0) & 31)] }
        description = "exe_" + String(digits)
    }

    /// An id that was made before; nil for text that is none.
    public init?(_ text: String) {
        guard text.hasPrefix("exe_"), text.utf8.count == 30,
            text.dropFirst(4).allSatisfy({ Self.alphabet.contains($0) })
        else { return nil }
        description = text
    }

    public init(from decoder: any Decoder) throws {
        description = try decoder.singleValueContainer().decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
