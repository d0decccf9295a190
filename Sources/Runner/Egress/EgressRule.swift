/// One entry of an allow-list: `api.example.com`, `*.example.com:8443`, `192.0.2.1:80`, `[2001:db8::1]:443`.
///
/// Upper case and a trailing dot do not count. A `*.` stands for one or more labels, so `*.example.com` holds
/// `a.b.example.com`, and not `example.com`.
public struct EgressRule: Sendable, Hashable, CustomStringConvertible {
    static let defaultPort = 443

    private let isWildcard: Bool
    private let target: EgressTarget

    /// A rule that cannot be used, and what to write instead.
    public struct Invalid: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    /// - Parameter text: `HOST[:PORT]`; the port is 443 where none is given.
    /// - Throws: ``Invalid``.
    public init(_ text: String) throws {
        let form = "write HOST or HOST:PORT, such as api.example.com, *.example.com or api.example.com:8443"
        if let end = text.firstRange(of: "://")?.upperBound {
            let authority = text[end...].prefix { $0 != "/" && $0 != "?" && $0 != "#" }
            let isPlain = text.lowercased().hasPrefix("http://")
            let target = try? EgressTarget(authority, defaultPort: isPlain ? 80 : Self.defaultPort)
            let hint = target.map { "write \($0)" } ?? form
            throw Invalid(description: "'\(text)' is a URL, and a rule is a host and a port: \(hint)")
        }
        guard !text.contains(where: { $0 == "/" || $0 == "?" || $0 == "#" || $0 == "@" }) else {
            throw Invalid(description: "'\(text)' is more than a host and a port: \(form)")
        }
        isWildcard = text.hasPrefix("*.")
        let rest = isWildcard ? text.dropFirst(2) : text[...]
        guard !isWildcard || !(rest.isEmpty || rest.hasPrefix(":")) else {
            throw Invalid(description: "'\(text)' has no name behind its '*.': \(form)")
        }
        if text.hasPrefix(".") {
            let target = try? EgressTarget(text.dropFirst(), defaultPort: Self.defaultPort)
            let hint = target.map { "write *.\($0) for all names below \($0.host)" } ?? form
            throw Invalid(description: "'\(text)' begins with a dot: \(hint)")
        }
        guard !rest.contains("*") else {
            throw Invalid(description: "'\(text)' has a * that does not stand for whole sub-domains: \(form)")
        }
        do {
            target = try EgressTarget(rest, defaultPort: Self.defaultPort)
        } catch {
            throw Invalid(description: "'\(text)' \(error); \(form)")
        }
        if isWildcard, case .address = target.host {
            throw Invalid(description: "'\(text)' has a * before an address, which has no sub-domains; \(form)")
        }
    }

    /// As it is written in full: `*.example.com:443`.
    public var description: String { (isWildcard ? "*." : "") + target.description }

    /// Whether it is for exactly this host, with some port.
    func names(_ host: EgressHost) -> Bool { !isWildcard && target.host == host }

    func allows(_ requested: EgressTarget) -> Bool {
        guard requested.port == target.port else { return false }
        guard isWildcard else { return requested.host == target.host }
        guard case .name(let name) = requested.host, case .name(let domain) = target.host else { return false }
        return name.hasSuffix("." + domain)
    }
}
