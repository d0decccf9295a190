/// What the queue refuses.
public struct QueueError: Error, Sendable, CustomStringConvertible {
    /// The kind of refusal. More kinds may come.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Base: String {
            case queueFull = "queue_full"
            case leaseLost = "lease_lost"
        }

        private let base: Base

        /// As many executions wait as may.
        public static let queueFull = Code(base: .queueFull)
        /// The execution has ended, or somebody else has claimed it: whoever held the lease must let go of it.
        public static let leaseLost = Code(base: .leaseLost)

        public var description: String { base.rawValue }
    }

    public let code: Code
    /// What was tried, what was wrong and what to do.
    public let message: String

    public var description: String { "\(code): \(message)" }
}

extension QueueError {
    /// Somebody else holds the lease, or the execution has ended.
    public static func leaseLost(_ lease: ExecutionQueue.Lease) -> QueueError {
        QueueError(
            code: .leaseLost,
            message:
                "execution \(lease.executionID) is not held any more by \(lease.holder) with fence \(lease.fence): "
                + "end its sandbox, and write nothing")
    }
}
