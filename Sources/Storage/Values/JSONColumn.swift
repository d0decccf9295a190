import Foundation

/// A value that is stored as JSON in a column of text, with sorted keys.
///
/// Text and not `JSONB`, so that both databases keep the same bytes.
public struct JSONColumn<Value: Codable & Sendable>: SQLConvertible {
    public static var sqlType: SQLType { .text }

    public var value: Value

    public init(_ value: Value) { self.value = value }

    /// - Throws: ``DatabaseError`` with code `invalid_value` when the value has no JSON.
    public func sqlValue() throws -> SQLValue {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        do {
            return .text(String(decoding: try encoder.encode(value), as: UTF8.self))
        } catch {
            throw DatabaseError(.invalidValue, "a \(Value.self) cannot be stored: it has no JSON", cause: error)
        }
    }

    public init?(sqlValue: SQLValue) {
        guard case .text(let text) = sqlValue,
            let value = try? JSONDecoder().decode(Value.self, from: Data(text.utf8))
        else { return nil }
        self.value = value
    }
}
