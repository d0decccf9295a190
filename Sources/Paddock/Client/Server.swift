import ArgumentParser
import Foundation
import Runner
import WebClient

/// The server that commands talk to.
///
/// Configuration keys: `PADDOCK_URL` (http://127.0.0.1:8200), `PADDOCK_TOKEN`, `PADDOCK_CA_FILE`.
struct Server: Sendable {
    /// Without a slash at its end.
    let base: String
    private let token: String
    private let authorities: String?

    private static let answerLimit = 64 << 20
    private static let attempts = 4

    /// - Throws: ``Failure`` that says what to set.
    init(environment: [String: String] = ProcessInfo.processInfo.environment) throws {
        var url = environment["PADDOCK_URL"] ?? ""
        if url.isEmpty { url = "http://127.0.0.1:8200" }
        guard url.lowercased().hasPrefix("https://") || url.lowercased().hasPrefix("http://"),
            url.utf8.allSatisfy({ (0x21...0x7E).contains($0) }), !url.contains("?"), !url.contains("#")
        else {
            throw Failure("PADDOCK_URL=\(url) is no address of a server: write such as https://paddock.example.com")
        }
        while url.hasSuffix("/") { url.removeLast() }
        guard let token = environment["PADDOCK_TOKEN"], !token.isEmpty else {
            throw Failure("PADDOCK_TOKEN is not set: set it to an API key (pdk_…) or a token of \(url)")
        }
        guard token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Failure("PADDOCK_TOKEN has characters that no key and no token has")
        }
        base = url
        self.token = token
        authorities = environment["PADDOCK_CA_FILE"].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// - Parameter path: under `/api/v1`.
    func request(
        _ method: String, _ path: String, query: [(String, String?)] = [], body: JSONValue? = nil
    ) throws
        -> WebRequest
    {
        let pairs = query.compactMap { name, value in value.map { "\(name.escaped)=\($0.escaped)" } }
        var request = WebRequest(
            method, "\(base)/api/v1\(path)" + (pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&")))
        request.headers = [("Authorization", "Bearer \(token)"), ("Accept", "application/json")]
        request.authorities = authorities
        if let body {
            request.headers.append(("Content-Type", "application/json"))
            request.body = try body.serialized()
        }
        return request
    }

    /// Sends a request and reads its answer.
    /// - Parameter retries: whether it may be sent again when the connection breaks, or the server is away for a moment.
    /// - Throws: ``ServerRefusal`` for what the server says no to, ``Failure`` for everything else.
    func send(_ request: WebRequest, retries: Bool) async throws -> JSONValue {
        var attempt = 1
        while true {
            do {
                let answer = try await WebClient.fetch(request, bodyLimit: Self.answerLimit)
                guard (200..<300).contains(answer.status) else {
                    let refusal = refusal(answer.head, answer.body)
                    guard retries, attempt < Self.attempts, refusal.isOfTheMoment else { throw refusal }
                    try await Task.sleep(for: refusal.retryAfter ?? .seconds(attempt))
                    attempt += 1
                    continue
                }
                if answer.body.isEmpty { return .null }
                do {
                    return try JSONValue(parsing: answer.body)
                } catch {
                    throw Failure("\(base) answers, and not as Paddock does: is PADDOCK_URL right?")
                }
            } catch let error as WebError {
                guard retries, attempt < Self.attempts, [.unreachable, .broken, .timedOut].contains(error.code) else {
                    throw failure(error)
                }
                try await Task.sleep(for: .milliseconds(250 * attempt))
                attempt += 1
            }
        }
    }

    func get(_ path: String, query: [(String, String?)] = []) async throws -> JSONValue {
        try await send(try request("GET", path, query: query), retries: true)
    }

    func failure(_ error: WebError) -> Failure {
        switch error.code {
        case .badURL: Failure("PADDOCK_URL=\(base) is no address of a server: \(error)")
        case .untrusted:
            Failure(
                "\(base) is not trusted: \(error); set PADDOCK_CA_FILE to its authority's certificate if it is yours")
        case .unreachable, .timedOut:
            Failure("\(base) cannot be reached: \(error); is PADDOCK_URL right, and the server up?")
        case .broken, .tooLarge: Failure("\(base): \(error)")
        }
    }

    func refusal(_ head: WebHead, _ body: [UInt8]) -> ServerRefusal { ServerRefusal(head, body, server: base) }
}

extension String {
    /// For a path segment or a query: everything but RFC 3986's unreserved characters escaped.
    var escaped: String {
        utf8.map { byte in
            let character = Character(UnicodeScalar(byte))
            let isPlain = byte < 0x80 && (character.isLetter || character.isNumber || "-._~".contains(character))
            return isPlain ? String(character) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
    }
}
