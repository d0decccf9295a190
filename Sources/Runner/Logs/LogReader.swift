/// Reads a log from an offset on: from memory while it keeps up, from the store otherwise. How slow it is matters to
/// nobody else.
public struct LogReader: AsyncSequence, Sendable {
    public typealias Element = [LogRecord]

    let execution: ExecutionID
    let offset: Int64
    let follows: Bool
    /// nil for a log that nobody writes any more.
    let live: LiveLog?
    /// Reads the store for as long as somebody holds it.
    let followed: FollowedLog?
    let repository: LogRepository

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(reader: self, mark: follows ? RunnerMetrics.Follower() : nil, offset: offset)
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let reader: LogReader
        /// Counts it for as long as it is there.
        fileprivate let mark: RunnerMetrics.Follower?
        /// Where to go on: every byte before it has been given.
        public private(set) var offset: Int64

        /// The next records, at least one; nil at the end.
        /// - Throws: `DatabaseError`, `CancellationError`.
        public mutating func next() async throws -> [LogRecord]? {
            while let live = reader.live {
                switch live.read(from: offset) {
                case .records(let records): return give(records)
                case .stored:
                    let records = try await reader.repository.records(of: reader.execution, from: offset)
                    if !records.isEmpty { return give(records) }
                    // All that was stored has become too old, and is gone.
                    return give(live.gap(from: offset))
                case .nothingYet:
                    guard reader.follows else { return nil }
                    try await live.wait(beyond: offset)
                case .end: return try await rest()
                }
            }
            return try await rest()
        }

        /// Of a log that grows no more.
        private mutating func rest() async throws -> [LogRecord]? {
            let records = try await reader.repository.records(of: reader.execution, from: offset)
            if !records.isEmpty { return give(records) }
            return try await reader.repository.missing(of: reader.execution, from: offset).map { give([$0]) }
        }

        private mutating func give(_ records: [LogRecord]) -> [LogRecord] {
            if let last = records.last { offset = last.end }
            return records
        }
    }
}
