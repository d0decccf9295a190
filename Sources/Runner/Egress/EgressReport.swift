/// Takes each connection of an execution as it ends, and each refused one at once.
public protocol EgressSink: Sendable {
    /// Called on the proxy's own threads: must return at once.
    func take(_ record: EgressRecord)
}

/// What an execution's egress came to.
public struct EgressReport: Sendable {
    /// An agent can make connections faster than anybody could want to read of them.
    static let recordLimit = 1000

    /// How many connections had each verdict.
    public struct Counts: Sendable, Equatable, Encodable {
        public internal(set) var allowed = 0
        public internal(set) var refused = 0
        public internal(set) var failed = 0

        public init() {}

        mutating func count(_ verdict: EgressRecord.Verdict) {
            switch verdict {
            case .allowed: allowed += 1
            case .refused: refused += 1
            case .failed: failed += 1
            }
        }
    }

    /// The first thousand, in the order in which they ended.
    public internal(set) var records: [EgressRecord] = []
    /// How many more there were.
    public internal(set) var droppedRecords = 0
    /// Of all, those too whose records were dropped.
    public internal(set) var counts = Counts()
    /// Over all connections, headers of requests in plain HTTP included.
    public internal(set) var sentBytes: Int64 = 0
    public internal(set) var receivedBytes: Int64 = 0

    public var bytes: Int64 { sentBytes + receivedBytes }
}
