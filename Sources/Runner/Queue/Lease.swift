/// The right to run one execution, held by one runner at a time.
///
/// Each time that it goes to another runner its fence grows: what is written under an older fence is refused.
public struct Lease: Sendable, Hashable {
    public let execution: ExecutionID
    public let fence: Int64

    public init(execution: ExecutionID, fence: Int64) {
        self.execution = execution
        self.fence = fence
    }

    /// Somebody else runs the execution now, or it has ended.
    public struct Lost: Error, Sendable, CustomStringConvertible {
        public let lease: Lease

        public var description: String {
            "\(lease.execution) is not this runner's any more: its lease went to another one, or it has ended"
        }
    }
}
