public import Foundation

/// Writes down what must outlive the runner, at the moments when it must: the execution goes on when it is written.
public protocol ExecutionKeeper: Sendable {
    /// The sandbox holds the policy, and no code of the agent's has run.
    /// - Throws: when it must not run, as when somebody else has the execution.
    func willLaunch(_ launch: Launch) async throws

    /// Its agent is being told to end.
    func isStopping() async

    /// It has ended, and its whole log is written. Its sandbox is removed when this returns.
    /// - Throws: when the sandbox must stay as it is.
    func hasEnded(_ finished: FinishedExecution) async throws

    /// Takes the log again from its beginning, as the Engine has kept it.
    func recovering() -> any LogSink

    /// Told of each step that the run has taken; it waits for this.
    func reached(_ step: ExecutionStep)
}

/// What it takes to find a sandbox again, and to go on with it.
public struct Launch: Sendable, Codable, Equatable {
    let containerID: String
    /// Of the frame: it marks the trailer.
    let nonce: String
    let uid: UInt32
    public let startedAt: Date
    /// How many reports of the init's its log begins with.
    let reports: Int
    /// What was looked at before it.
    let policy: PolicyEvidence?
}
