import Storage

/// `exe_` and a UUIDv7 (RFC 9562) in Crockford's base 32: ids sort by the time they were made.
public struct ExecutionID: Sendable, Hashable, Codable, CustomStringConvertible {
    public let description: String

    /// A new id.
    public init() { description = Identifier.make("exe_") }

    /// An id that was made before; nil for text that is none.
    public init?(_ text: String) {
        guard text.hasPrefix("exe_"), text.utf8.count == 30,
            text.dropFirst(4).allSatisfy({ Identifier.alphabet.contains($0) })
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
