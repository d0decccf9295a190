public import ArgumentParser
public import Entitlements

/// As the contract names them.
extension AgentCategory: ExpressibleByArgument {}
extension Role: ExpressibleByArgument {}
extension Grant.Source: ExpressibleByArgument {}
