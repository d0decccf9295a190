/// A host and a port.
struct EgressTarget: Sendable, Hashable, CustomStringConvertible {
    let host: EgressHost
    let port: Int

    init(host: EgressHost, port: Int) {
        self.host = host
        self.port = port
    }

    /// - Parameter text: `HOST:PORT`, or `HOST` where there is a default port. An IPv6 address is in brackets.
    /// - Throws: ``EgressHost/Invalid``.
    init(_ text: some StringProtocol, defaultPort: Int?) throws(EgressHost.Invalid) {
        let (hostText, portText) = Self.split(String(text))
        if let portText {
            guard let port = Self.port(portText) else {
                throw EgressHost.Invalid(description: "has no port of 1 to 65535 after its colon")
            }
            self.port = port
        } else {
            guard let defaultPort else { throw EgressHost.Invalid(description: "has no port: write HOST:PORT") }
            port = defaultPort
        }
        host = try EgressHost(hostText)
    }

    /// At the colon that ends the host. More than one colon without brackets is an IPv6 address.
    private static func split(_ text: String) -> (host: Substring, port: Substring?) {
        let end = text.hasPrefix("[") ? text.firstIndex(of: "]") ?? text.startIndex : text.startIndex
        let colons = text[end...].indices.filter { text[$0] == ":" }
        guard colons.count == 1 else { return (text[...], nil) }
        return (text[..<colons[0]], text[text.index(after: colons[0])...])
    }

    private static func port(_ text: Substring) -> Int? {
        guard (1...5).contains(text.utf8.count), text.allSatisfy(\.isASCIIDigit), let port = Int(text) else {
            return nil
        }
        return (1...65535).contains(port) ? port : nil
    }

    var description: String { "\(host):\(port)" }
}
