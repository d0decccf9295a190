public import Entitlements
public import Foundation

/// One execution that is to be run: an image that was looked at, and what it gets.
public struct ExecutionRequest: Sendable {
    public var id = ExecutionID()
    /// Of its lease; nil for an execution that no database knows.
    public var fence: Int?
    /// When it was asked for.
    public var createdAt = Date()
    public var agentID = "agt_local"
    public var userID = "usr_local"
    public var image: AgentImage
    /// Program and arguments.
    public var command: [String]
    public var limits: Limits
    /// One JSON value.
    public var input: [UInt8]
    public var outputSchema: JSONSchema?
    /// `NAME=VALUE`, after the image's own.
    public var environment: [String] = []
    public var secrets: [(name: String, value: [UInt8])] = []
    /// The submitter's own.
    public var labels: [String: String] = [:]
    /// What is left of the standard policy; nil for all of it.
    public var seccomp: SeccompRequest?
    /// What it may reach; nil for nothing.
    public var egress: EgressPolicy?
    public var runtime = SandboxRuntime.engineDefault
    /// Begins each line in which the recorder tells what the agent calls; nil for a run without it, as almost all are.
    var recorderMarker: String?
    /// The agent ends when this process does: for a runner that nobody can take over from.
    public var endsWithRunner: Bool

    /// Up to this size the input is also in the variable `INPUT`; the kernel allows 128 KiB for one variable.
    static let inputVariableLimit = 96 << 10

    public init(image: AgentImage, command: [String], limits: Limits, input: [UInt8], endsWithRunner: Bool) {
        self.image = image
        self.command = command
        self.limits = limits
        self.input = input
        self.endsWithRunner = endsWithRunner
    }

    /// Everything that the agent finds in its environment: later entries replace earlier ones.
    var fullEnvironment: [String] {
        var ours = [
            "PADDOCK_EXECUTION_ID=\(id)", "PADDOCK_AGENT_ID=\(agentID)", "HOME=/tmp", "TMPDIR=/tmp",
            "OUTPUT=\(SandboxPolicy.outputPath)",
        ]
        if input.count <= Self.inputVariableLimit { ours.append("INPUT=" + String(decoding: input, as: UTF8.self)) }
        var values: [Substring: String] = [:]
        var order: [Substring] = []
        // LD_*: the image's own libraries are its business, our init and what it starts are not.
        let fromImage = image.environment.filter { !$0.hasPrefix("LD_") }
        for entry in fromImage + proxyVariables + environment + ours {
            let name = entry.prefix { $0 != "=" }
            if values.updateValue(entry, forKey: name) == nil { order.append(name) }
        }
        return order.compactMap { values[$0] }
    }

    /// What programs look at to find a proxy. Some read only the one case, some only the other.
    private var proxyVariables: [String] {
        guard let egress else { return [] }
        let proxy = "http://127.0.0.1:\(SandboxPolicy.egressPort)"
        // What the agent serves to itself never leaves the sandbox. Who lists one of these means the runner's host.
        let own: [(host: EgressHost, text: String)] = [
            (.name("localhost"), "localhost"), (.address(.v4(0x7F00_0001)), "127.0.0.1"), (.address(.v6(1)), "::1"),
        ]
        let direct = own.filter { !egress.names($0.host) }.map(\.text)
        let values = [
            ("HTTP_PROXY", proxy), ("HTTPS_PROXY", proxy), ("ALL_PROXY", proxy),
            ("NO_PROXY", direct.joined(separator: ",")),
        ]
        return values.flatMap { ["\($0.0)=\($0.1)", "\($0.0.lowercased())=\($0.1)"] }
    }
}
