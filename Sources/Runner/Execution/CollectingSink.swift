import DockerAPI
import NIOConcurrencyHelpers

/// Keeps a whole log in memory, up to the execution's own log limit.
final class CollectingSink: LogSink {
    private let bytes = NIOLockedValueBox<[UInt8]>([])

    /// stdout and stderr together, as they came.
    var text: String { String(decoding: bytes.withLockedValue { $0 }, as: UTF8.self) }

    func write(_ bytes: ArraySlice<UInt8>, to stream: LogStream) async throws {
        self.bytes.withLockedValue { $0 += bytes }
    }

    func executionIsEnding() {}
}
