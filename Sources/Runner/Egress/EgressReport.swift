/// Takes each connection of an execution as it ends, and each refused one at once.
public protocol EgressSink: Sendable {
    /// Called on the proxy's own threads: must return at once.
    func take(_ record: EgressRecord)
}

/// What an execution's egress came to.
public struct EgressReport: Sendable {
    /// An agent can make connections faster than anybody could want to read of them.
    static let recordLimit = 1000

    /// The first thousand, in the order in which they ended.
    public internal(set) var records: [EgressRecord] = []
    /// How many more there were.
    public internal(set) var droppedRecords = 0
    /// Over all connections, headers of requests in plain HTTP included.
    public internal(set) var sentBytes: Int64 = 0
    public internal(set) var receivedBytes: Int64 = 0

    public var bytes: Int64 { sentBytes + receivedBytes }
}
