/// What somebody wants to run.
public struct AdmissionRequest: Sendable {
    /// `exe_…`, chosen by who asks.
    public var executionID: String
    public var userID: String
    public var agentID: String
    /// In place of the agent's own.
    public var limits: LimitsRequest
    /// `HOST:PORT`; nil for the agent's own, empty for no network.
    public var hosts: [String]?
    /// Longest time in the queue.
    public var patience: Duration

    public init(
        executionID: String, userID: String, agentID: String, limits: LimitsRequest = LimitsRequest(),
        hosts: [String]? = nil, patience: Duration = .seconds(3600)
    ) {
        self.executionID = executionID
        self.userID = userID
        self.agentID = agentID
        self.limits = limits
        self.hosts = hosts
        self.patience = patience
    }
}
