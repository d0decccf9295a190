import CJSONSchema

/// A compiled JSON Schema (drafts 4 to 7).
///
/// Unchecked: the pointer is written once, and validation does not change what it points to.
public final class JSONSchema: @unchecked Sendable {
    /// Where a document breaks the schema.
    public struct Violation: Sendable, Equatable, Codable, CustomStringConvertible {
        /// A JSON pointer into the document; empty for the whole of it.
        public let path: String
        public let message: String
        public var description: String { path.isEmpty ? message : "\(path): \(message)" }
    }

    /// A schema that is not one.
    public struct Invalid: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    private final class Report {
        var violations: [Violation] = []
    }

    private let pointer: OpaquePointer

    /// - Throws: ``Invalid`` with the reason.
    public init(_ schema: JSONValue) throws {
        let text = try schema.serialized()
        let report = Report()
        let context = Unmanaged.passUnretained(report).toOpaque()
        let compiled = text.withUnsafeBytes { raw in
            paddock_json_schema_compile(raw.baseAddress, raw.count, Self.collect, context)
        }
        guard let compiled else {
            throw Invalid(description: report.violations.first?.message ?? "not a JSON Schema")
        }
        pointer = compiled
    }

    deinit { paddock_json_schema_free(pointer) }

    /// Every place where the document breaks the schema; empty when it is valid.
    public func violations(in document: [UInt8]) -> [Violation] {
        let report = Report()
        let context = Unmanaged.passUnretained(report).toOpaque()
        _ = document.withUnsafeBytes { raw in
            paddock_json_schema_validate(pointer, raw.baseAddress, raw.count, Self.collect, context)
        }
        return report.violations
    }

    private static let collect: paddock_json_schema_report = { path, message, context in
        guard let path, let message, let context else { return }
        Unmanaged<Report>.fromOpaque(context).takeUnretainedValue().violations.append(
            Violation(path: String(cString: path), message: String(cString: message)))
    }
}
