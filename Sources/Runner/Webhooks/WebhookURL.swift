/// Where a webhook goes: `https://HOST[:PORT]/PATH`.
public struct WebhookURL: Sendable, Hashable, CustomStringConvertible {
    /// A URL that cannot be used, and what to write instead.
    public struct Invalid: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    private static let longest = 2000

    let isSecure: Bool
    let target: EgressTarget
    /// From the first slash on, with the query.
    let path: String

    /// - Parameter allowsHTTP: whether the operator lets webhooks go out without TLS.
    /// - Throws: ``Invalid``.
    public init(_ text: String, allowsHTTP: Bool = false) throws(Invalid) {
        guard text.utf8.count <= Self.longest, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw Invalid(
                description:
                    "the webhook's URL is longer than \(Self.longest) characters, or has some that a URL has not")
        }
        let lower = text.lowercased()
        let rest: Substring
        if lower.hasPrefix("https://") {
            isSecure = true
            rest = text.dropFirst("https://".count)
        } else if lower.hasPrefix("http://") {
            guard allowsHTTP else {
                throw Invalid(
                    description: "the webhook's URL is plain http, which this server does not send to: use https")
            }
            isSecure = false
            rest = text.dropFirst("http://".count)
        } else {
            throw Invalid(description: "the webhook's URL begins with neither https:// nor http://")
        }
        let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" && $0 != "\\" }
        guard !authority.contains("@") else {
            throw Invalid(description: "the webhook's URL has a user name, which is not sent: leave it out")
        }
        do {
            target = try EgressTarget(authority, defaultPort: isSecure ? 443 : 80)
        } catch {
            throw Invalid(description: "the webhook's URL names no host: \(authority) \(error)")
        }
        let beyond = rest.dropFirst(authority.count).prefix { $0 != "#" }
        guard !beyond.contains("\\") else {
            throw Invalid(description: "the webhook's URL has a backslash: write %5C")
        }
        path = beyond.hasPrefix("/") ? String(beyond) : "/" + beyond
    }

    /// With its port left out where it is the usual one.
    public var description: String {
        let isUsual = target.port == (isSecure ? 443 : 80)
        return "\(isSecure ? "https" : "http")://\(isUsual ? "\(target.host)" : "\(target)")\(path)"
    }
}
