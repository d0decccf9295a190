/// Why a service does not do what it was asked to, by the contract's codes; §5.
public struct Refusal: Error, Sendable, CustomStringConvertible {
    /// The kind of refusal. More kinds may come.
    public enum Code: String, Sendable {
        case validationFailed = "validation_failed"
        case inputInvalid = "input_invalid"
        case unenforceableLimit = "unenforceable_limit"
        case forbidden
        case notFound = "not_found"
        case conflict
        case idempotencyMismatch = "idempotency_mismatch"
        case idempotencyInFlight = "idempotency_in_flight"
        case engineUnavailable = "engine_unavailable"
    }

    /// What is wrong in one place.
    public struct Fault: Sendable, Equatable {
        /// A JSON pointer into the request.
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
    public let faults: [Fault]

    public init(_ code: Code, _ message: String, faults: [Fault] = []) {
        self.code = code
        self.message = message
        self.faults = faults
    }

    /// One field of a request.
    static func field(_ path: String, _ message: String, _ code: Code = .validationFailed) -> Refusal {
        Refusal(code, "\(path): \(message)", faults: [Fault(path: path, message: message)])
    }

    public var description: String { "\(code.rawValue): \(message)" }
}
