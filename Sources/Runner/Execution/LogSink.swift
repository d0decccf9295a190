public import DockerAPI

/// Where the log of an execution goes.
public protocol LogSink: Sendable {
    /// Takes bytes as the agent wrote them, in order. While it waits, the agent's writes wait.
    /// - Throws: when nobody reads any more; the execution is then canceled.
    func write(_ bytes: ArraySlice<UInt8>, to stream: LogStream) async throws

    /// The execution has ended or is being ended: from now on ``write(_:to:)`` must not wait for a slow reader, or
    /// the ending would wait with it. What comes now is bounded by the log's limit. May be called more than once.
    func executionIsEnding()
}
