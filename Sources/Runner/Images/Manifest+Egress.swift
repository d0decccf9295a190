extension Manifest {
    /// What the agent asks to reach, as it was written.
    public struct NetworkRequest: Sendable, Decodable {
        /// `none`, the default, or `allowlist`.
        public var mode: String?
        /// `HOST[:PORT]`, in mode `allowlist`.
        public var allow: [String]?
    }

    /// The hosts that the agent asks for.
    /// - Throws: ``Invalid`` that names the entry.
    public func egressRules() throws -> [EgressRule] {
        switch network?.mode {
        case nil, "none":
            guard network?.allow == nil else {
                throw Invalid(description: "network.allow: has no effect with the mode none: write mode: allowlist")
            }
            return []
        case "allowlist":
            guard let allow = network?.allow, !allow.isEmpty else {
                throw Invalid(description: "network.allow: is missing: list the hosts, such as [\"api.example.com\"]")
            }
            return try allow.enumerated().map { index, text in
                do {
                    return try EgressRule(text)
                } catch {
                    throw Invalid(description: "network.allow[\(index)]: \(error)")
                }
            }
        case let mode?:
            throw Invalid(description: "network.mode: '\(mode)' is not supported; it is none or allowlist")
        }
    }
}
