public import Foundation
public import HTTPTypes
import Runner

/// What went wrong, as the HTTP API says it: RFC 9457.
///
/// Codes and statuses: the contract, §5.
public struct Problem: Error, Sendable, Equatable {
    /// One place in the request that is wrong.
    public struct Detail: Sendable, Equatable, Encodable {
        /// A JSON pointer into the body, or the name of a parameter.
        public let path: String
        public let message: String

        public init(path: String, message: String) {
            self.path = path
            self.message = message
        }
    }

    public let status: Int
    public let code: String
    public let title: String
    /// What was tried, what was wrong and what to do. Holds no secret and nothing of our insides.
    public let detail: String
    /// The rule of admission that did not hold.
    public var rule: String?
    /// Of what was exceeded.
    public var limit: Int?
    public var used: Int?
    /// Of money, in cents: what is left, and what is needed.
    public var remaining: Int?
    public var required: Int?
    public var resetAt: Date?
    public var errors: [Detail] = []
    /// Sent with the answer, such as `Retry-After`.
    public var headers = HTTPFields()

    public init(status: Int, code: String, title: String, detail: String) {
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
    }
}

extension Problem: Encodable {
    private enum CodingKeys: String, CodingKey {
        case type, title, status, detail, code, rule, limit, used, remaining, required, resetAt, errors
    }

    /// What does not apply is left out.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode("/docs#error-\(code)", forKey: .type)
        try container.encode(title, forKey: .title)
        try container.encode(status, forKey: .status)
        try container.encode(detail, forKey: .detail)
        try container.encode(code, forKey: .code)
        try container.encodeIfPresent(rule, forKey: .rule)
        try container.encodeIfPresent(limit, forKey: .limit)
        try container.encodeIfPresent(used, forKey: .used)
        try container.encodeIfPresent(remaining, forKey: .remaining)
        try container.encodeIfPresent(required, forKey: .required)
        try container.encodeIfPresent(resetAt?.rfc3339, forKey: .resetAt)
        if !errors.isEmpty { try container.encode(errors, forKey: .errors) }
    }

    static let contentType = "application/problem+json"

    var serialized: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(self)).map { [UInt8]($0) } ?? Array(#"{"status":500}"#.utf8)
    }
}

// MARK: The usual ones

extension Problem {
    static func malformedJSON(_ detail: String) -> Problem {
        Problem(status: 400, code: "malformed_json", title: "The body is not what it should be", detail: detail)
    }

    /// The request can be read, and something in it is not possible.
    static func invalid(_ path: String, _ message: String) -> Problem {
        .invalid([Detail(path: path, message: message)])
    }

    static func invalid(_ errors: [Detail]) -> Problem {
        var problem = Problem(
            status: 422, code: "validation_failed", title: "Something in the request is not possible",
            detail: errors.map { $0.path.isEmpty ? $0.message : "\($0.path): \($0.message)" }.joined(separator: "; "))
        problem.errors = errors
        return problem
    }

    /// A parameter of the query or a header cannot be read.
    static func badParameter(_ name: String, _ message: String) -> Problem {
        var problem = Problem(
            status: 400, code: "validation_failed", title: "A parameter cannot be read", detail: "\(name): \(message)")
        problem.errors = [Detail(path: name, message: message)]
        return problem
    }

    static func notFound(_ what: String) -> Problem {
        Problem(status: 404, code: "not_found", title: "Not found", detail: "there is no \(what)")
    }

    static func methodNotAllowed(_ method: String, allowed: [String]) -> Problem {
        var problem = Problem(
            status: 405, code: "method_not_allowed", title: "Method not allowed",
            detail: "\(method) is not possible here; possible are \(allowed.joined(separator: ", "))")
        problem.headers[.allow] = allowed.joined(separator: ", ")
        return problem
    }

    static func forbidden(_ detail: String) -> Problem {
        Problem(status: 403, code: "forbidden", title: "Forbidden", detail: detail)
    }

    static func conflict(_ detail: String) -> Problem {
        Problem(status: 409, code: "conflict", title: "Conflict", detail: detail)
    }

    static func unauthenticated(_ detail: String) -> Problem {
        var problem = Problem(status: 401, code: "unauthenticated", title: "Not authenticated", detail: detail)
        problem.headers[.wwwAuthenticate] = #"Bearer realm="paddock""#
        return problem
    }

    static func tooLarge(_ detail: String) -> Problem {
        var problem = Problem(status: 413, code: "too_large", title: "Too large", detail: detail)
        // The rest of the body is not read.
        problem.headers[.connection] = "close"
        return problem
    }

    static func unavailable(_ code: String, _ detail: String, retryAfter seconds: Int = 1) -> Problem {
        var problem = Problem(status: 503, code: code, title: "Not available now", detail: detail)
        problem.headers[.retryAfter] = String(seconds)
        return problem
    }

    /// An error of ours. What it was is in the log, by the request's id, and not in the answer.
    static let internalError = Problem(
        status: 500, code: "internal_error", title: "An error of the server",
        detail: "the server met an error of its own; its log tells more under this X-Request-ID")
}
