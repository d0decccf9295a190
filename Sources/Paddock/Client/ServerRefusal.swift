import Foundation
import Runner
import WebClient

/// What the server said no to, in its own words (RFC 9457); the contract, §5.
struct ServerRefusal: Error, CustomStringConvertible {
    let status: Int
    let code: String?
    let retryAfter: Duration?
    let description: String

    private static let longestPause = 900

    init(_ head: WebHead, _ body: [UInt8], server: String) {
        status = head.status
        let problem = try? JSONValue(parsing: body)
        code = problem?["code"]?.text
        retryAfter = head.headers["retry-after"].flatMap { Int($0) }.map {
            .seconds(min(max($0, 1), Self.longestPause))
        }
        guard let problem, let code, let detail = problem["detail"]?.text ?? problem["title"]?.text else {
            description = "\(server) answered \(head.status), and not as Paddock does: is PADDOCK_URL right?"
            return
        }
        var words = "\(detail) (\(code))"
        if code == "unauthenticated" { words += ": is PADDOCK_TOKEN right?" }
        if let used = problem["used"]?.number, let limit = problem["limit"]?.number {
            words += "; used \(used.short) of \(limit.short)"
        }
        if let reset = problem["resetAt"]?.text { words += "; again at \(reset)" }
        if case .array(let errors)? = problem["errors"] {
            for error in errors {
                words += "\n  \(error["path"]?.text ?? ""): \(error["message"]?.text ?? "")"
            }
        }
        if let id = head.headers["x-request-id"], head.status >= 500 { words += " [request \(id)]" }
        description = words
    }

    /// Whether the same may be taken a moment later.
    var isOfTheMoment: Bool {
        [502, 503, 504].contains(status) && !["paused", "queue_full"].contains(code ?? "")
            || code == "idempotency_in_flight"
            || code == "rate_limited" && (retryAfter ?? .seconds(3600)) <= .seconds(30)
    }
}

extension JSONValue {
    var text: String? { if case .string(let text) = self { text } else { nil } }

    var number: Double? {
        switch self {
        case .integer(let number): Double(number)
        case .number(let number): number
        default: nil
        }
    }

    var items: [JSONValue] { if case .array(let items) = self { items } else { [] } }
}

extension Double {
    /// Without a fraction where there is none.
    var short: String { self == rounded() && magnitude < 1e15 ? String(Int64(self)) : String(self) }
}
