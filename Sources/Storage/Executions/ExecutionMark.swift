public import Foundation

/// What a change of an execution is seen by, without all else that is stored of it.
public struct ExecutionMark: Sendable, Equatable {
    public let id: String
    public let state: ExecutionState
    public let fence: Int
    public let stoppingAt: Date?

    init(id: String, state: ExecutionState, fence: Int, stoppingAt: Date?) {
        self.id = id
        self.state = state
        self.fence = fence
        self.stoppingAt = stoppingAt
    }

    public init(_ stored: StoredExecution) {
        self.init(id: stored.id, state: stored.state, fence: stored.fence, stoppingAt: stored.stoppingAt)
    }
}
