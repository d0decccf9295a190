/// Where an execution may connect to, and how much.
public struct EgressPolicy: Sendable, Equatable {
    public struct Limits: Sendable, Equatable {
        /// Connections from the agent at once, and as many to hosts: those too whose agent's end has gone, and names that
        /// are being resolved.
        public var connections = 256
        /// From the beginning of a connection, or the end of the last answer on it, to the end of the next request's
        /// head.
        public var head: Duration = .seconds(30)
        /// For a name to be resolved.
        public var resolve: Duration = .seconds(10)
        /// For a connection to one address.
        public var connect: Duration = .seconds(10)
        /// Without a byte in either direction. Long: an API may think for minutes before it answers.
        public var idle: Duration = .seconds(600)
        /// For a host to take the rest of what the agent has sent, once the agent's end has gone.
        public var flush: Duration = .seconds(10)
        /// Both directions of all connections together; nil for no limit.
        public var bytes: Int64?

        public init() {}
    }

    public let rules: [EgressRule]
    /// Reserved ranges that may be connected to, for hosts that a rule names. A cloud's metadata service is only let
    /// through by its own address.
    public let allowedPrivate: [AddressRange]
    public var limits = Limits()

    /// A policy that cannot be used.
    public struct Invalid: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    /// - Throws: ``Invalid`` for no rule at all, or for a private range that holds public addresses or opens nothing.
    public init(rules: [EgressRule], allowedPrivate: [AddressRange] = []) throws {
        guard !rules.isEmpty else { throw Invalid(description: "an allow-list needs at least one host") }
        for range in allowedPrivate { try Self.check(range) }
        var seen: Set<EgressRule> = []
        self.rules = rules.filter { seen.insert($0).inserted }
        self.allowedPrivate = allowedPrivate
    }

    private static func check(_ range: AddressRange) throws(Invalid) {
        guard let entry = ReservedAddresses.entry(for: range) else {
            throw Invalid(
                description: "\(range) is not within one private range: write one such as 10.0.0.0/8 or 127.0.0.1/32")
        }
        switch entry.opening {
        case .byRange: return
        case .byAddress:
            guard !range.isOneAddress else { return }
            throw Invalid(
                description: "\(range) is \(entry.what), which opens one address at a time: "
                    + "write \(range.first)/\(range.first.bitWidth)")
        case .never: throw Invalid(description: "\(range) is \(entry.what), and that is never let through")
        }
    }

    /// Whether a rule names exactly this host, with any port.
    func names(_ host: EgressHost) -> Bool { rules.contains { $0.names(host) } }

    func allows(_ target: EgressTarget) -> Bool { rules.contains { $0.allows(target) } }

    /// Why the address may not be connected to: completes "is …". nil for one that may.
    /// - Parameter own: the addresses of this host. A reserved one of them is opened as any other reserved one is, and
    ///   nothing opens a public one.
    func objection(to address: IPAddress, ofHost own: Set<IPAddress>) -> String? {
        guard let entry = ReservedAddresses.entry(for: address) else {
            return own.contains(address) ? "an address of this host" : nil
        }
        // A range within the entry that names the address: 169.254.0.0/16 does not let the metadata service through.
        let isListed = allowedPrivate.contains { entry.range.contains($0) && $0.contains(address) }
        return isListed ? nil : entry.what
    }
}
