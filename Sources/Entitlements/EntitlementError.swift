/// Why an administrative operation was refused. A decision about an execution is no error: see ``Denial``.
public struct EntitlementError: Error, Sendable, CustomStringConvertible {
    /// The kind of refusal, by the contract's name. More kinds may come.
    public enum Code: String, Sendable {
        case notFound = "not_found"
        case conflict
        case validationFailed = "validation_failed"
    }

    /// What is wrong with one field.
    public struct Field: Sendable, Equatable, Codable {
        /// Its JSON name, with dots into objects.
        public let path: String
        public let message: String

        public init(path: String, message: String) {
            self.path = path
            self.message = message
        }
    }

    public let code: Code
    /// What was tried, what was wrong and what to do.
    public let message: String
    /// Of `validation_failed`: every field that is wrong.
    public let fields: [Field]

    init(_ code: Code, _ message: String, fields: [Field] = []) {
        self.code = code
        self.message = message
        self.fields = fields
    }

    public var description: String { message }

    static func notFound(_ what: String, _ id: String) -> EntitlementError {
        EntitlementError(.notFound, "there is no \(what) \(id)")
    }

    /// Every field that is wrong, in one sentence.
    init(validating fields: [Field]) {
        let all = fields.map { "\($0.path): \($0.message)" }.joined(separator: "; ")
        self.init(.validationFailed, all, fields: fields)
    }
}
