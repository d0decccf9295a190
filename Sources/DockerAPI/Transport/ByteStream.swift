import NIOCore

/// The bytes of a response as they arrive, in chunks of at most 64 KiB.
///
/// A reader that falls behind by ``highWatermark`` chunks stops the socket, so memory stays bounded. A stream that
/// breaks off, or whose task is cancelled, throws: it never looks like its end. It may be iterated once.
public struct ByteStream: AsyncSequence, Sendable {
    public typealias Element = [UInt8]
    typealias Producer = NIOThrowingAsyncSequenceProducer<
        [UInt8], any Error, NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark, Delegate
    >

    /// Chunks that may wait for the reader before the socket is no longer read: with the largest chunks, 1 MiB.
    static let highWatermark = 16
    /// Chunks that are left waiting when reading goes on.
    static let lowWatermark = 4

    /// Tells the transport that the reader wants more, or has gone.
    struct Delegate: NIOAsyncSequenceProducerDelegate {
        let onRoom: @Sendable () -> Void
        let onEnd: @Sendable () -> Void

        func produceMore() { onRoom() }
        func didTerminate() { onEnd() }
    }

    private let producer: Producer

    /// A stream and the source that feeds it.
    static func make(
        onRoom: @escaping @Sendable () -> Void, onEnd: @escaping @Sendable () -> Void
    ) -> (stream: ByteStream, source: Producer.Source) {
        let pair = Producer.makeSequence(
            elementType: [UInt8].self,
            failureType: (any Error).self,
            backPressureStrategy: .init(lowWatermark: lowWatermark, highWatermark: highWatermark),
            finishOnDeinit: false,
            delegate: Delegate(onRoom: onRoom, onEnd: onEnd)
        )
        return (ByteStream(producer: pair.sequence), pair.source)
    }

    /// May be passed from task to task, and used by one at a time.
    public struct AsyncIterator: AsyncIteratorProtocol, Sendable {
        // One reference to a class with a lock.
        nonisolated(unsafe) let base: Producer.AsyncIterator

        /// The next chunk, or nil at the end.
        /// - Throws: `DockerError` when the stream breaks off, `CancellationError` when the task is cancelled.
        public mutating func next() async throws -> [UInt8]? {
            try Task.checkCancellation()
            // NIO's iterator is one reference to a Sendable class: it may be used from the caller's isolation.
            nonisolated(unsafe) let base = self.base
            let chunk = try await base.next()
            if chunk == nil { try Task.checkCancellation() }
            return chunk
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(base: producer.makeAsyncIterator())
    }

    /// Reads to the end.
    /// - Parameter limit: most bytes that are kept; more is an error.
    func collect(upTo limit: Int, operation: String) async throws -> [UInt8] {
        var all: [UInt8] = []
        for try await chunk in self {
            guard all.count + chunk.count <= limit else {
                throw DockerError(.malformedResponse, "the answer is longer than \(limit) bytes", operation: operation)
            }
            all += chunk
        }
        return all
    }
}
