public import Runner
public import Storage

/// What the routes call.
public struct APIServices: Sendable {
    let readiness: Readiness
    let executions: ExecutionService
    let agents: AgentService
    let accounts: AccountService
    let logTokens: LogTokenService
    let doctor: DoctorService
    let authenticator: Authenticator
    let metrics: MetricsEndpoint
    /// Whether plain http is taken as a webhook's URL.
    let allowsHTTPWebhooks: Bool

    /// - Parameters:
    ///   - verifiers: of the kinds of JWT that are taken; none for keys alone.
    ///   - metrics: what `/metrics` answers.
    public init(
        database: Database, host: RunnerHost, executions: ExecutionService, verifiers: [any TokenVerifier] = [],
        metrics: MetricsEndpoint = MetricsEndpoint(MetricRegistry()), allowsHTTPWebhooks: Bool = false
    ) {
        readiness = Readiness(database: database, host: host)
        self.executions = executions
        agents = AgentService(database: database, host: host)
        accounts = AccountService(database: database)
        logTokens = LogTokenService(database: database)
        doctor = DoctorService(host: host)
        self.metrics = metrics
        self.allowsHTTPWebhooks = allowsHTTPWebhooks
        authenticator = Authenticator(accounts: accounts, verifiers: verifiers)
    }
}
