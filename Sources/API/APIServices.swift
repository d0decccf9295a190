public import Runner
public import Storage

/// What the routes call.
public struct APIServices: Sendable {
    let readiness: Readiness
    let executions: ExecutionService
    let agents: AgentService
    let accounts: AccountService
    let logTokens: LogTokenService
    let authenticator: Authenticator

    /// - Parameter verifiers: of the kinds of JWT that are taken; none for keys alone.
    public init(
        database: Database, host: RunnerHost, executions: ExecutionService, verifiers: [any TokenVerifier] = []
    ) {
        readiness = Readiness(database: database, host: host)
        self.executions = executions
        agents = AgentService(database: database, host: host)
        accounts = AccountService(database: database)
        logTokens = LogTokenService(database: database)
        authenticator = Authenticator(accounts: accounts, verifiers: verifiers)
    }
}
