/// A stream of JSON values, one a line: events, and the progress of pull, build and load. It may be iterated once.
public struct JSONLines<Element: Decodable & Sendable>: AsyncSequence, Sendable {
    let bytes: ByteStream
    let operation: String

    public struct AsyncIterator: AsyncIteratorProtocol {
        /// The longest line that is waited for: a build can print long ones.
        private static var lineLimit: Int { 16 << 20 }

        private var bytes: ByteStream.AsyncIterator
        private let operation: String
        private var line: [UInt8] = []
        private var chunk: ArraySlice<UInt8> = []

        init(bytes: ByteStream.AsyncIterator, operation: String) {
            self.bytes = bytes
            self.operation = operation
        }

        /// The next value, or nil at the end.
        /// - Throws: ``DockerError`` for a line that is not such a value, or a stream that breaks off.
        public mutating func next() async throws -> Element? {
            while true {
                if let end = chunk.firstIndex(of: UInt8(ascii: "\n")) {
                    line += chunk[..<end]
                    chunk = chunk[(end + 1)...]
                    if let value = try takeLine() { return value }
                    continue
                }
                line += chunk
                chunk = []
                guard line.count <= Self.lineLimit else {
                    throw DockerError(.malformedResponse, "a line of the stream has no end", operation: operation)
                }
                guard let next = try await bytes.next() else { return try takeLine() }
                chunk = next[...]
            }
        }

        private mutating func takeLine() throws -> Element? {
            defer { line = [] }
            let isBlank = line.allSatisfy { $0 == UInt8(ascii: "\r") || $0 == UInt8(ascii: " ") }
            return isBlank ? nil : try EngineJSON.decode(line, operation: operation)
        }
    }

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(bytes: bytes.makeAsyncIterator(), operation: operation)
    }
}
