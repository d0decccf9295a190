/// A type whose values can be interpolated into ``SQL`` and read from a ``Row``.
///
/// `Int64`, `Int`, `Double`, `Bool`, `String`, `[UInt8]`, `Date`, ``JSONColumn``, optionals of them, and enumerations
/// whose raw value is one of them. A type of yours conforms by way of one of these.
public protocol SQLConvertible: Sendable {
    /// The type of its column.
    static var sqlType: SQLType { get }

    /// What is stored.
    /// - Throws: ``DatabaseError`` with code `invalid_value` when it cannot be.
    func sqlValue() throws -> SQLValue

    /// The value back from what was stored; nil when that is not one.
    init?(sqlValue: SQLValue)
}

extension Int64: SQLConvertible {
    public static var sqlType: SQLType { .integer }
    public func sqlValue() -> SQLValue { .integer(self) }

    public init?(sqlValue: SQLValue) {
        guard case .integer(let number) = sqlValue else { return nil }
        self = number
    }
}

extension Int: SQLConvertible {
    public static var sqlType: SQLType { .integer }
    public func sqlValue() -> SQLValue { .integer(Int64(self)) }

    public init?(sqlValue: SQLValue) {
        guard case .integer(let number) = sqlValue else { return nil }
        self.init(exactly: number)
    }
}

extension Double: SQLConvertible {
    public static var sqlType: SQLType { .real }
    public func sqlValue() -> SQLValue { .real(self) }

    public init?(sqlValue: SQLValue) {
        switch sqlValue {
        case .real(let number): self = number
        case .integer(let number): self.init(exactly: number)
        default: return nil
        }
    }
}

extension Bool: SQLConvertible {
    public static var sqlType: SQLType { .boolean }
    public func sqlValue() -> SQLValue { .boolean(self) }

    public init?(sqlValue: SQLValue) {
        switch sqlValue {
        case .boolean(let flag): self = flag
        case .integer(0): self = false
        case .integer(1): self = true
        default: return nil
        }
    }
}

extension String: SQLConvertible {
    public static var sqlType: SQLType { .text }
    public func sqlValue() -> SQLValue { .text(self) }

    public init?(sqlValue: SQLValue) {
        guard case .text(let text) = sqlValue else { return nil }
        self = text
    }
}

extension [UInt8]: SQLConvertible {
    public static var sqlType: SQLType { .bytes }
    public func sqlValue() -> SQLValue { .bytes(self) }

    public init?(sqlValue: SQLValue) {
        guard case .bytes(let bytes) = sqlValue else { return nil }
        self = bytes
    }
}

extension Optional: SQLConvertible where Wrapped: SQLConvertible {
    public static var sqlType: SQLType { Wrapped.sqlType }
    public func sqlValue() throws -> SQLValue { try self?.sqlValue() ?? .null }

    public init?(sqlValue: SQLValue) {
        if sqlValue == .null {
            self = nil
        } else {
            guard let wrapped = Wrapped(sqlValue: sqlValue) else { return nil }
            self = wrapped
        }
    }
}

extension SQLConvertible where Self: RawRepresentable, RawValue: SQLConvertible {
    public static var sqlType: SQLType { RawValue.sqlType }
    public func sqlValue() throws -> SQLValue { try rawValue.sqlValue() }

    public init?(sqlValue: SQLValue) {
        guard let raw = RawValue(sqlValue: sqlValue) else { return nil }
        self.init(rawValue: raw)
    }
}
