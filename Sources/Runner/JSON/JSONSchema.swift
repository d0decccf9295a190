import CJSONSchema
import Foundation

/// A JSON Schema (drafts 4 to 7), which may be a stranger's.
///
/// Each check runs in a child process with limits, since a schema can be written to recurse or search for ever. There are
/// as many of them at once as there are processors; others wait.
public struct JSONSchema: Sendable {
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

    /// CPU seconds for one check.
    private static let checkSeconds: UInt32 = 5

    private static let checks: OperationQueue = {
        let queue = OperationQueue()
        queue.maxConcurrentOperationCount = ProcessInfo.processInfo.activeProcessorCount
        return queue
    }()

    private let text: [UInt8]

    /// One that has been compiled before, as those of a ``Manifest`` have.
    public init(known schema: JSONValue) throws { text = try schema.serialized() }

    /// Compiles it on the caller's thread, which may take seconds: for a command that does nothing else.
    /// - Throws: ``Invalid`` with the reason.
    public init(_ schema: JSONValue) throws {
        text = try schema.serialized()
        try Self.judge(Self.check(text, nil))
    }

    /// Compiles it on a thread that may wait.
    /// - Throws: ``Invalid`` with the reason.
    @concurrent
    public init(compiling schema: JSONValue) async throws {
        let text = try schema.serialized()
        self.text = text
        try Self.judge(await Self.checkInQueue(text, nil))
    }

    private static func judge(_ result: Outcome) throws {
        switch result.verdict {
        case PADDOCK_SCHEMA_VALID: return
        case PADDOCK_SCHEMA_TOO_EXPENSIVE: throw Invalid(description: "it cannot be compiled: it refers to itself")
        default: throw Invalid(description: result.violations.first?.message ?? "not a JSON Schema")
        }
    }

    /// Places where the document breaks the schema, at most 20; empty when it is valid.
    @concurrent
    public func violations(in document: [UInt8]) async -> [Violation] {
        let result = await Self.checkInQueue(text, document)
        switch result.verdict {
        case PADDOCK_SCHEMA_VALID: return []
        case PADDOCK_SCHEMA_TOO_EXPENSIVE:
            return [
                Violation(path: "", message: "it cannot be checked within \(Self.checkSeconds) s and the memory for it")
            ]
        default:
            return result.violations.isEmpty ? [Violation(path: "", message: "it is not valid")] : result.violations
        }
    }

    private struct Outcome: Sendable {
        let verdict: paddock_schema_verdict
        let violations: [Violation]
    }

    private static func checkInQueue(_ schema: [UInt8], _ document: [UInt8]?) async -> Outcome {
        await withCheckedContinuation { continuation in
            // It blocks for as long as the check takes.
            checks.addOperation { continuation.resume(returning: check(schema, document)) }
        }
    }

    private static func check(_ schema: [UInt8], _ document: [UInt8]?) -> Outcome {
        let report = Report()
        let context = Unmanaged.passUnretained(report).toOpaque()
        let verdict = schema.withUnsafeBytes { schema in
            // An empty array may have no address, which would mean no document.
            (document.map { $0 + [0] } ?? []).withUnsafeBytes { bytes in
                paddock_schema_check(
                    schema.baseAddress, schema.count, document == nil ? nil : bytes.baseAddress, document?.count ?? 0,
                    checkSeconds, collect, context)
            }
        }
        return Outcome(verdict: verdict, violations: withExtendedLifetime(report) { report.violations })
    }

    private static let collect: paddock_schema_report = { path, message, context in
        guard let path, let message, let context else { return }
        Unmanaged<Report>.fromOpaque(context).takeUnretainedValue().violations.append(
            Violation(path: String(cString: path), message: String(cString: message)))
    }
}
