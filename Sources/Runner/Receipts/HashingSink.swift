public import DockerAPI
import NIOConcurrencyHelpers

/// Passes a log on and keeps its hashes.
public final class HashingSink: LogSink {
    private let next: any LogSink
    private let running = NIOLockedValueBox(LogDigest())

    public init(passingTo next: any LogSink) { self.next = next }

    /// Of all that was passed on so far.
    public var digest: LogDigest { running.withLockedValue { $0 } }

    public func write(_ bytes: ArraySlice<UInt8>, to stream: LogStream) async throws {
        try await next.write(bytes, to: stream)
        running.withLockedValue { $0.update(bytes, of: stream) }
    }

    public func executionIsEnding() { next.executionIsEnding() }
}
