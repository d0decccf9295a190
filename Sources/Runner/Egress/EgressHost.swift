/// A host as a rule or a request names it: lower case, without a trailing dot, and never a name that some function
/// would read as an address.
enum EgressHost: Sendable, Hashable {
    case name(String)
    case address(IPAddress)

    /// What is wrong with a host; completes a sentence that begins with the host.
    struct Invalid: Error, CustomStringConvertible {
        let description: String
    }

    /// - Parameter text: a name, an IPv4 address, or an IPv6 address in brackets.
    /// - Throws: ``Invalid``.
    init(_ text: some StringProtocol) throws(Invalid) {
        let lower = text.lowercased()
        if lower.hasPrefix("[") {
            guard lower.hasSuffix("]"), case .v6(let bits)? = IPAddress(String(lower.dropFirst().dropLast())) else {
                throw Invalid(description: "is no IPv6 address in brackets, such as [2606:4700::1111]")
            }
            self = .address(.v6(bits))
            return
        }
        if let address = IPAddress(lower) {
            guard case .v4 = address else { throw Invalid(description: "is an IPv6 address: put it in brackets") }
            self = .address(address)
            return
        }
        self = .name(try Self.name(lower))
    }

    private static func name(_ text: String) throws(Invalid) -> String {
        guard text.utf8.allSatisfy({ $0 < 0x80 }) else {
            throw Invalid(description: "is not ASCII: write the name in punycode (xn--…)")
        }
        let name = text.hasSuffix(".") ? text.dropLast() : text[...]
        guard !name.isEmpty else { throw Invalid(description: "is empty") }
        guard name.utf8.count <= 253 else { throw Invalid(description: "is longer than 253 characters") }
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        for label in labels {
            guard !label.isEmpty else { throw Invalid(description: "has a dot with no name before it") }
            guard label.utf8.count <= 63 else { throw Invalid(description: "has a part longer than 63 characters") }
            guard label.allSatisfy({ $0.isASCIIDigit || ("a"..."z").contains($0) || $0 == "-" || $0 == "_" }) else {
                throw Invalid(description: "has characters that no host name has")
            }
        }
        // getaddrinfo(3) reads 127.1, 0x7f.1 and 017700000001 as addresses. No top-level domain is a number.
        if let last = labels.last, isNumber(last) {
            throw Invalid(description: "is an odd way to write an address: write four decimal numbers, as 192.0.2.1")
        }
        return String(name)
    }

    private static func isNumber(_ label: Substring) -> Bool {
        if label.allSatisfy(\.isASCIIDigit) { return true }
        return label.hasPrefix("0x") && label.dropFirst(2).allSatisfy(\.isHexDigit)
    }
}

extension EgressHost: CustomStringConvertible {
    /// As it stands before a port: an IPv6 address is in brackets.
    var description: String {
        switch self {
        case .name(let name): name
        case .address(let address):
            if case .v6 = address { "[\(address)]" } else { "\(address)" }
        }
    }
}
