import Foundation
import WebClient

/// Where a set of public keys is published: a file, or an HTTPS URL.
public struct JWKSource: Sendable, CustomStringConvertible {
    /// A place that keys cannot be taken from.
    public struct Invalid: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    private static let longest = 1 << 20

    public let description: String
    /// Longest time between two looks at it.
    let refreshInterval: Duration
    /// Shortest time between two looks at it, however many tokens name keys that it has not.
    let cooldown: Duration
    /// How long keys are used when it cannot be read.
    let staleLimit: Duration
    let load: @Sendable () async throws -> [UInt8]

    /// - Parameter text: `https://…`, `http://` on this machine, or the path of a file.
    /// - Throws: ``Invalid``.
    public init(_ text: String) throws {
        let lower = text.lowercased()
        if lower.hasPrefix("https://") || lower.hasPrefix("http://127.0.0.1:") || lower.hasPrefix("http://localhost:") {
            self.init(text, refreshInterval: .seconds(600), cooldown: .seconds(30)) {
                var request = WebRequest("GET", text)
                request.headers = [("accept", "application/json")]
                request.totalLimit = .seconds(10)
                let answer = try await WebClient.fetch(request, bodyLimit: Self.longest)
                guard answer.status == 200 else { throw Invalid(description: "it answered \(answer.status)") }
                return answer.body
            }
        } else if lower.contains("://") {
            throw Invalid(description: "\(text): keys are taken from a file or over https only")
        } else {
            self.init(text, refreshInterval: .seconds(30), cooldown: .seconds(1)) {
                let bytes = [UInt8](try Data(contentsOf: URL(filePath: text)))
                guard bytes.count <= Self.longest else { throw Invalid(description: "the file is too large") }
                return bytes
            }
        }
    }

    init(
        _ description: String, refreshInterval: Duration, cooldown: Duration, staleLimit: Duration = .seconds(86_400),
        load: @escaping @Sendable () async throws -> [UInt8]
    ) {
        self.description = description
        self.refreshInterval = refreshInterval
        self.cooldown = cooldown
        self.staleLimit = staleLimit
        self.load = load
    }
}
