/// Which of a container's two outputs bytes came from.
public enum LogStream: String, Sendable, Codable, CaseIterable {
    case stdout
    case stderr
}

/// Bytes that a container wrote; the Engine's own split, which means nothing.
public struct LogFrame: Sendable, Equatable {
    public let stream: LogStream
    public let bytes: ArraySlice<UInt8>

    public init(stream: LogStream, bytes: ArraySlice<UInt8>) {
        self.stream = stream
        self.bytes = bytes
    }
}

/// Takes the Engine's multiplexed format apart, wherever the chunks are cut.
///
/// Each frame is one byte for the stream (1 stdout, 2 stderr), three zeroes, the length as a big-endian u32, and
/// that many bytes. What has arrived of a frame is handed on at once. Source: Engine API, ContainerAttach.
struct LogFrameDecoder {
    private enum State {
        /// Can transition to: payload.
        case header(have: [UInt8])
        /// Can transition to: header.
        case payload(LogStream, left: Int)
    }

    private var state = State.header(have: [])

    /// Whether the bytes so far end between two frames.
    var isBetweenFrames: Bool {
        if case .header(let have) = state { have.isEmpty } else { false }
    }

    /// - Throws: ``DockerError`` for a header that is none.
    mutating func decode(_ chunk: [UInt8], operation: String) throws -> [LogFrame] {
        var frames: [LogFrame] = []
        var rest = chunk[...]
        while !rest.isEmpty {
            switch state {
            case .header(var have):
                let part = rest.prefix(8 - have.count)
                have += part
                rest = rest.dropFirst(part.count)
                state = have.count < 8 ? .header(have: have) : try Self.payload(of: have, operation)
            case .payload(let stream, let left):
                let part = rest.prefix(left)
                if !part.isEmpty { frames.append(LogFrame(stream: stream, bytes: part)) }
                rest = rest.dropFirst(part.count)
                state = part.count == left ? .header(have: []) : .payload(stream, left: left - part.count)
            }
        }
        return frames
    }

    private static func payload(of header: [UInt8], _ operation: String) throws -> State {
        let length = header[4...].reduce(0) { $0 << 8 | Int($1) }
        switch (header[0], header[1], header[2], header[3]) {
        case (1, 0, 0, 0): return length == 0 ? .header(have: []) : .payload(.stdout, left: length)
        case (2, 0, 0, 0): return length == 0 ? .header(have: []) : .payload(.stderr, left: length)
        default:
            throw DockerError(.malformedResponse, "the log stream has a frame of unknown kind", operation: operation)
        }
    }
}

/// A container's output as it arrives, taken apart into stdout and stderr. It may be iterated once.
public struct LogFrames: AsyncSequence, Sendable {
    public typealias Element = LogFrame

    let bytes: ByteStream
    let operation: String

    /// May be passed from task to task, and used by one at a time.
    public struct AsyncIterator: AsyncIteratorProtocol, Sendable {
        private var bytes: ByteStream.AsyncIterator
        private let operation: String
        private var decoder = LogFrameDecoder()
        private var waiting: ArraySlice<LogFrame> = []

        init(bytes: ByteStream.AsyncIterator, operation: String) {
            self.bytes = bytes
            self.operation = operation
        }

        /// The next frame, or nil when the container has no more output.
        /// - Throws: ``DockerError`` when the stream breaks off, also inside a frame; `CancellationError`.
        public mutating func next() async throws -> LogFrame? {
            while waiting.isEmpty {
                guard let chunk = try await bytes.next() else {
                    if decoder.isBetweenFrames { return nil }
                    throw DockerError(
                        .connectionLost, "the log stream ended inside a frame", operation: operation)
                }
                waiting = try decoder.decode(chunk, operation: operation)[...]
            }
            return waiting.removeFirst()
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(bytes: bytes.makeAsyncIterator(), operation: operation)
    }
}
