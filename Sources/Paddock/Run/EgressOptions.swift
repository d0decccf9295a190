import ArgumentParser
import Runner

/// What an agent may reach, as flags; the contract, §4.
struct EgressOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A host that the agent may reach, beside those of its agent.yaml; *.example.com for sub-domains, port 443 "
                + "unless given (repeatable).", valueName: "host[:port]"))
    var allow: [String] = []

    @Option(
        help: ArgumentHelp(
            "A private range that allowed hosts may be in, such as 10.0.0.0/8 (repeatable).", valueName: "cidr"))
    var allowPrivate: [String] = []

    /// nil where nothing may be reached.
    /// - Parameter manifest: the rules of the agent.yaml; the flags add to them.
    func policy(beside manifest: [EgressRule]) throws -> EgressPolicy? {
        let rules = try manifest + allow.map { text in try named("--allow") { try EgressRule(text) } }
        let ranges = try allowPrivate.map { text in try named("--allow-private") { try AddressRange(text) } }
        guard !rules.isEmpty else {
            if ranges.isEmpty { return nil }
            throw Failure(
                "--allow-private: opens private ranges to allowed hosts, and there are none: add --allow HOST")
        }
        return try named("--allow-private") { try EgressPolicy(rules: rules, allowedPrivate: ranges) }
    }

    private func named<Value>(_ flag: String, _ make: () throws -> Value) throws -> Value {
        do {
            return try make()
        } catch {
            throw Failure("\(flag): \(error)")
        }
    }
}
