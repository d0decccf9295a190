/// A statement, or a part of one. Text comes from literals only; every interpolated value becomes a bind.
///
/// ```swift
/// let mine: SQL = "user_id = \(userID)"
/// try await database.query("SELECT id FROM executions WHERE \(mine) AND created_at > \(date)")
/// ```
///
/// A literal's type is `StaticString`, which no text made at run time can become: there is no way to put such text into
/// a statement. What SQLite and PostgreSQL spell differently is an ``SQLWord``.
public struct SQL: ExpressibleByStringInterpolation, Sendable {
    /// The text's only source, checked by the compiler.
    public typealias StringLiteralType = StaticString

    enum Part: Sendable {
        case text(StaticString)
        case word(SQLWord)
        case bind(any SQLConvertible)
    }

    var parts: [Part]

    public init(stringLiteral value: StaticString) { parts = [.text(value)] }

    public init(stringInterpolation: StringInterpolation) { parts = stringInterpolation.parts }

    /// Collects a literal's segments and values.
    public struct StringInterpolation: StringInterpolationProtocol {
        public typealias StringLiteralType = StaticString

        var parts: [Part] = []

        public init(literalCapacity: Int, interpolationCount: Int) {
            parts.reserveCapacity(2 * interpolationCount + 1)
        }

        public mutating func appendLiteral(_ literal: StaticString) { parts.append(.text(literal)) }

        /// A value, which becomes a bind.
        public mutating func appendInterpolation(_ value: some SQLConvertible) { parts.append(.bind(value)) }

        /// A value that may be absent: then the bind is a NULL of its type.
        public mutating func appendInterpolation<Value: SQLConvertible>(_ value: Value?) { parts.append(.bind(value)) }

        /// A part of a statement, with the binds that it carries.
        public mutating func appendInterpolation(_ fragment: SQL) { parts += fragment.parts }

        /// What the databases spell differently.
        public mutating func appendInterpolation(_ word: SQLWord) { parts.append(.word(word)) }
    }
}

extension [SQL] {
    /// The parts one after the other, as for the rows of an `INSERT` or the values of an `IN`.
    public func joined(by separator: StaticString) -> SQL {
        var all: SQL = ""
        for (index, fragment) in enumerated() {
            if index > 0 { all.parts.append(.text(separator)) }
            all.parts += fragment.parts
        }
        return all
    }
}
