/// A step of an execution on a node, from the queue to the removal of its sandbox.
///
/// Each has been done when it is told of; those that are told inside a transaction are written only with its commit.
/// Tests end the node at each of them, and see what the next one makes of it.
public enum ExecutionStep: String, Sendable, CaseIterable {
    /// Told inside the transaction.
    case claiming
    case claimed
    case created
    case started
    case verified
    /// Told inside the transaction.
    case writingLaunch
    case launchWritten
    case frameSent
    case trailerSeen
    case logFinished
    /// Told inside the transaction.
    case writingEnding
    case endingWritten
    /// The sandbox has exited, or is to be removed by force.
    case exited
    case removed
}
