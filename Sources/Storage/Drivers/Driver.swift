/// A kind of database: how connections to it are made, shared and given back.
protocol Driver: Sendable {
    var dialect: Dialect { get }

    /// Leases a connection, for one user at a time. Each is given back with ``release(_:)``.
    /// - Parameter isUrgent: before all who wait already.
    /// - Throws: ``DatabaseError`` with code `database_unavailable` or `database_busy` at the deadline,
    ///   `CancellationError`.
    func acquire(_ access: Access, isUrgent: Bool, until deadline: ContinuousClock.Instant) async throws -> any Session

    func release(_ session: any Session)

    /// What is sent to the channel from now on.
    func subscribe(to channel: String) -> Notifications

    /// Refuses new work, ends what listens, and closes each connection once it is free.
    func close() async
}

/// What a connection is leased for.
enum Access: Sendable {
    case read
    case write
}

/// One connection, leased. Calls wait for each other.
protocol Session: Sendable {
    /// Whether the database has answered to this transaction: until then nothing of it can be written.
    var hasBegun: Bool { get }

    /// - Parameter statementTimeout: for each statement of this transaction.
    func begin(
        _ isolation: Transaction.Isolation, statementTimeout: Duration, until deadline: ContinuousClock.Instant
    ) async throws

    /// Runs what is left to run, and commits. Not to be cancelled once the commit is sent: what it says then is final, but
    /// for an error whose fate is unknown.
    /// - Parameter timeout: for each statement.
    func commit(after statements: [Statement], timeout: Duration) async throws

    /// A connection that cannot roll back is not used again.
    func rollback() async

    /// Runs statements one after the other, up to the first that fails, inside a transaction; or a single one as a
    /// transaction of its own. They are sent together where the database takes them so.
    /// - Parameter timeout: for each of them.
    /// - Returns: what the last one gave.
    func run(_ statements: [Statement], timeout: Duration) async throws -> Outcome

    /// Runs a single statement that reads a row by its key.
    func find(_ statement: Statement, timeout: Duration) async throws -> Outcome

    /// Starts a statement whose rows are taken by ``fetch()``. Nothing else may run until ``endRows()``.
    func start(_ statement: Statement, timeout: Duration) async throws

    /// The next rows, at most ``RowBatch``; none at the end.
    func fetch() async throws -> [Row]

    /// Ends a statement that was started, wherever it is.
    func endRows() async

    /// Sends to a channel with the commit.
    /// - Returns: the statement that does it; nil where it takes none.
    func notify(_ channel: String, _ payload: String) throws -> Statement?

    /// Sends to a channel soon after the commit, and never without it.
    func announce(_ channel: String, _ payload: String)

    /// Holds back every other migration of this database until the transaction ends.
    /// - Returns: the statement that does it; nil where it takes none.
    func lockMigrations() throws -> Statement?
}

extension Session {
    func find(_ statement: Statement, timeout: Duration) async throws -> Outcome {
        try await run([statement], timeout: timeout)
    }
}

/// What a statement gave.
struct Outcome: Sendable {
    var rows: [Row] = []
    /// Rows that an `INSERT`, `UPDATE` or `DELETE` has changed.
    var changes = 0
}

/// How many rows are in memory at once when they are read one after the other.
struct RowBatch {
    private static let mostRows = 256
    private static let mostBytes = 1 << 20

    private(set) var rows: [Row] = []
    private var bytes = 0

    var isFull: Bool { rows.count >= Self.mostRows || bytes >= Self.mostBytes }

    mutating func append(_ row: Row) {
        rows.append(row)
        for value in row.values {
            switch value {
            case .text(let text): bytes += text.utf8.count
            case .bytes(let content): bytes += content.count
            default: bytes += 8
            }
        }
    }
}
