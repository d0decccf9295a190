/// Reads a log from an offset on: from memory while it keeps up, from the store otherwise. How slow it is matters to
/// nobody else.
public struct LogReader: AsyncSequence, Sendable {
    public typealias Element = [LogRecord]

    let execution: ExecutionID
    let offset: Int64
    let follows: Bool
    let source: LogHub.Source
    let hub: LogHub

    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(reader: self, mark: follows ? RunnerMetrics.Follower() : nil, offset: offset, source: source)
    }

    /// What there is now.
    enum Step {
        /// At least one.
        case records([LogRecord])
        /// Nothing yet: the inbox is raised when there is.
        case nothingYet
        case end
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let reader: LogReader
        /// Counts it for as long as it is there.
        fileprivate let mark: RunnerMetrics.Follower?
        /// Where to go on: every byte before it has been given.
        public private(set) var offset: Int64
        fileprivate var source: LogHub.Source

        /// The next records, at least one; nil at the end.
        /// - Throws: `DatabaseError`, `CancellationError`.
        public mutating func next() async throws -> [LogRecord]? {
            let inbox = LogInbox()
            defer { forget(inbox) }
            while true {
                switch try await step(inbox) {
                case .records(let records): return records
                case .nothingYet: try await inbox.wait()
                case .end: return nil
                }
            }
        }

        /// Waits for the store at most.
        /// - Throws: `DatabaseError`, `CancellationError`.
        mutating func step(_ inbox: LogInbox) async throws -> Step {
            while let live = source.live {
                switch live.read(from: offset) {
                case .records(let records): return give(records)
                case .stored:
                    let records = try await stored()
                    // All that was stored has become too old, and is gone.
                    return give(records.isEmpty ? live.gap(from: offset) : records)
                case .nothingYet:
                    guard reader.follows else { return .end }
                    live.raise(inbox, beyond: offset)
                    return .nothingYet
                case .left: source = reader.hub.source(of: reader.execution, follows: reader.follows)
                case .end: return try await rest()
                }
            }
            return try await rest()
        }

        /// It does not wait any more.
        func forget(_ inbox: LogInbox) { source.live?.forget(inbox) }

        /// Of a log that grows no more.
        private mutating func rest() async throws -> Step {
            let records = try await stored()
            if !records.isEmpty { return give(records) }
            let (reader, offset) = (reader, offset)
            let missing = try await apart {
                try await reader.hub.repository.missing(of: reader.execution, from: offset)
            }
            return missing.map { give([$0]) } ?? .end
        }

        private func stored() async throws -> [LogRecord] {
            let (reader, offset) = (reader, offset)
            return try await apart { try await reader.hub.repository.records(of: reader.execution, from: offset) }
        }

        private mutating func give(_ records: [LogRecord]) -> Step {
            if let last = records.last { offset = last.end }
            return .records(records)
        }
    }
}
