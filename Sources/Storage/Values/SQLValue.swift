/// The types of values that both databases keep exactly.
public enum SQLType: String, Sendable {
    /// 64 bits, signed: `BIGINT`.
    case integer
    /// 64 bits, IEEE 754, no NaN: `DOUBLE PRECISION`.
    case real
    /// `BOOLEAN`; 0 or 1 on SQLite.
    case boolean
    /// UTF-8 without U+0000: ``SQLWord/text``.
    case text
    /// ``SQLWord/bytes``.
    case bytes
}

/// A value as a database keeps it.
public enum SQLValue: Hashable, Sendable {
    case null
    case integer(Int64)
    case real(Double)
    case boolean(Bool)
    case text(String)
    case bytes([UInt8])

    /// For messages: what it is, never its content.
    var kind: String {
        switch self {
        case .null: "NULL"
        case .integer: "an integer"
        case .real: "a real number"
        case .boolean: "a boolean"
        case .text: "text"
        case .bytes: "bytes"
        }
    }
}
