import Foundation

extension JSONValue {
    /// A number that JSON has no form for.
    struct NotANumber: Error, CustomStringConvertible {
        let description: String
    }

    /// The one text that stands for this value, whoever writes it: RFC 8785 (JCS). What is signed or hashed is this.
    ///
    /// No space, keys sorted by their UTF-16 units, the shortest escapes, numbers as ECMAScript writes them. Whole
    /// numbers of signed 64 bits are written exactly, where the RFC would round those beyond 2^53.
    /// - Throws: for an infinite number or none at all, which no JSON text gives.
    public func canonical() throws -> [UInt8] {
        var writer = CanonicalWriter()
        try writer.write(self)
        return writer.bytes
    }

    /// Any encodable value as JSON.
    init(encoding value: some Encodable) throws {
        try self.init(parsing: [UInt8](try JSONEncoder().encode(value)))
    }
}

/// Writes values in canonical form, one after the other's parts.
private struct CanonicalWriter {
    private(set) var bytes: [UInt8] = []

    mutating func write(_ value: JSONValue) throws {
        switch value {
        case .null: put("null")
        case .bool(let value): put(value ? "true" : "false")
        case .integer(let value): put(String(value))
        case .number(let value): put(try Self.text(of: value))
        case .string(let value): write(value)
        case .array(let items):
            put("[")
            for (index, item) in items.enumerated() {
                if index > 0 { put(",") }
                try write(item)
            }
            put("]")
        case .object(let members):
            put("{")
            // Swift's own order of strings goes by what they mean, and the RFC's by how UTF-16 writes them.
            let sorted = members.sorted { $0.key.utf16.lexicographicallyPrecedes($1.key.utf16) }
            for (index, member) in sorted.enumerated() {
                if index > 0 { put(",") }
                write(member.key)
                put(":")
                try write(member.value)
            }
            put("}")
        }
    }

    private mutating func put(_ text: String) { bytes += text.utf8 }

    private mutating func write(_ text: String) {
        put("\"")
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""): put("\\\"")
            case UInt8(ascii: "\\"): put("\\\\")
            case 0x08: put("\\b")
            case 0x09: put("\\t")
            case 0x0A: put("\\n")
            case 0x0C: put("\\f")
            case 0x0D: put("\\r")
            case 0..<0x20: put((byte < 0x10 ? "\\u000" : "\\u00") + String(byte, radix: 16))
            default: bytes.append(byte)
            }
        }
        put("\"")
    }

    /// ECMAScript's Number::toString. Swift finds the same digits, the fewest that mean this number, and only sets the
    /// point and the exponent in another way.
    private static func text(of number: Double) throws -> String {
        guard number.isFinite else { throw JSONValue.NotANumber(description: "\(number) has no form in JSON") }
        guard number != 0 else { return "0" }
        let parts = number.magnitude.description.split(separator: "e")
        let mantissa = parts[0].split(separator: ".")
        let all = mantissa.joined()
        let significant = all.drop { $0 == "0" }
        // 0.DIGITS times ten to the power of this.
        let point = mantissa[0].count + (parts.count > 1 ? Int(parts[1]) ?? 0 : 0) - (all.count - significant.count)
        var digits = String(significant)
        while digits.last == "0" { digits.removeLast() }
        return (number < 0 ? "-" : "") + place(point, in: digits)
    }

    private static func place(_ point: Int, in digits: String) -> String {
        func zeros(_ count: Int) -> String { String(repeating: "0", count: count) }
        switch point {
        case digits.count...21: return digits + zeros(point - digits.count)
        case 1...21: return "\(digits.prefix(point)).\(digits.dropFirst(point))"
        case -5...0: return "0." + zeros(-point) + digits
        default:
            let fraction = digits.count > 1 ? ".\(digits.dropFirst())" : ""
            return "\(digits.prefix(1))\(fraction)e\(point > 0 ? "+" : "-")\((point - 1).magnitude)"
        }
    }
}
