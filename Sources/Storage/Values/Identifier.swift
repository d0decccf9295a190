import Foundation

/// Ids: a prefix that tells of what, and a UUIDv7 (RFC 9562) in Crockford's base 32, so that they sort by the time they
/// were made.
public enum Identifier {
    package static let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz")

    /// A new id.
    public static func make(_ prefix: String) -> String {
        let milliseconds = UInt128(Date().timeIntervalSince1970 * 1000)
        let random = UInt128.random(in: 0...UInt128.max)
        let version: UInt128 = 7 << 76
        let variant: UInt128 = 0b10 << 62
        let randomA = (random >> 64) & 0xFFF
        let randomB = random & ((1 << 62) - 1)
        let uuid = milliseconds << 80 | version | randomA << 64 | variant | randomB
        let digits = (0..<26).reversed().map { alphabet[Int(uuid >> (5 * $0) & 31)] }
        return prefix + String(digits)
    }
}
