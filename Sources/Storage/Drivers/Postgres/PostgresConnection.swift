import CPostgres
import Glibc

/// A connection of libpq's. Nothing else calls libpq.
///
/// Unchecked: it is used by the one task that has leased it.
final class PostgresConnection: @unchecked Sendable {
    /// A part of what the server answers to a statement.
    enum Answer {
        /// Rows, one at a time in row-by-row reading, and how many rows were changed to give them.
        case rows([Row], changes: Int)
        /// The statement is done. `tag` is its command tag, such as `INSERT 0 3`.
        case done(tag: String, changes: Int)
        case failed(DatabaseError)
        /// It was not run, because one before it has failed.
        case skipped
        /// All statements that were sent together are done.
        case together
    }

    private let raw: OpaquePointer
    private let poller: SocketPoller
    private let name: String
    var prepared = PreparedStatements()
    /// Of the rows of this statement.
    private var columns: [PostgresColumn] = []
    private var names: [String] = []

    /// Connects and authenticates. Blocks: names are looked up in the same call. Each host has 4 s, or the URL's
    /// `connect_timeout`.
    /// - Throws: ``DatabaseError`` with code `database_unavailable`.
    init(_ url: PostgresURL, poller: SocketPoller) throws {
        _ = paddock_openssl_without_exit_handler()
        // What comes before the URL are defaults; what comes after overrides it.
        let parameters = [
            ("connect_timeout", "4"), ("fallback_application_name", "paddock"),
            // A connection that died without a word is found out while it is idle, and 10 s after something was sent.
            ("tcp_user_timeout", "10000"), ("keepalives_idle", "15"), ("keepalives_interval", "5"),
            ("keepalives_count", "3"), ("dbname", url.secret), ("client_encoding", "UTF8"),
        ]
        let opened = Self.withCStrings(parameters.map(\.0)) { keywords in
            Self.withCStrings(parameters.map(\.1)) { values in PQconnectdbParams(keywords, values, 1) }
        }
        guard let opened else {
            throw DatabaseError(.databaseUnavailable, "\(url): there is no memory for a connection")
        }
        raw = opened
        self.poller = poller
        name = url.description
        guard PQstatus(raw) == CONNECTION_OK else {
            throw DatabaseError(.databaseUnavailable, "\(url): \(lastMessage)")
        }
        guard PQserverVersion(raw) >= 140_000 else {
            throw DatabaseError(.databaseUnavailable, "\(url): PostgreSQL is too old: 14 is needed")
        }
        // libpq prints notices on stderr unless told otherwise.
        PQsetNoticeProcessor(raw, { _, _ in }, nil)
        PQsetnonblocking(raw, 1)
    }

    deinit { PQfinish(raw) }

    /// What libpq finds in a URL; nil when it takes it for none.
    static func parse(_ url: String) -> [String: String]? {
        guard let options = PQconninfoParse(url, nil) else { return nil }
        defer { PQconninfoFree(options) }
        var found: [String: String] = [:]
        var next = options
        while let keyword = next.pointee.keyword {
            if let value = next.pointee.val { found[String(cString: keyword)] = String(cString: value) }
            next += 1
        }
        return found
    }

    // MARK: State

    /// Whether it can take the next transaction: looks whether the server has hung up meanwhile.
    var isIdle: Bool {
        var descriptor = pollfd(fd: PQsocket(raw), events: Int16(POLLIN), revents: 0)
        while isOpen, Glibc.poll(&descriptor, 1, 0) == 1 {
            if PQconsumeInput(raw) == 0 { return false }
        }
        return isOpen && PQtransactionStatus(raw) == PQTRANS_IDLE
    }

    var isOpen: Bool { PQstatus(raw) == CONNECTION_OK }

    /// Whether a transaction is open, failed ones too.
    var isInTransaction: Bool { PQtransactionStatus(raw) != PQTRANS_IDLE }

    private var lastMessage: String { Self.line(PQerrorMessage(raw)) }

    private var lost: DatabaseError {
        DatabaseError(.databaseUnavailable, "\(name): the connection was lost: \(lastMessage)", isFateUnknown: true)
    }

    /// The answers are none to what was sent: the connection is of no more use.
    var outOfStep: DatabaseError {
        DatabaseError(
            .databaseUnavailable, "\(name): the database gave an answer that was not asked for: \(lastMessage)",
            isFateUnknown: true)
    }

    // MARK: Statements

    /// Sends a statement; all its answers are then taken by ``next(_:)``.
    /// - Parameter rowByRow: rows come one at a time, and the server waits for who reads them.
    func send(_ text: String, _ binds: [Statement.Bind], rowByRow: Bool = false) throws {
        let parameters = PostgresParameters(binds)
        let isSent = parameters.withPointers { types, values, lengths, formats in
            PQsendQueryParams(raw, text, CInt(binds.count), types, values, lengths, formats, 1)
        }
        guard isSent == 1, !rowByRow || PQsetSingleRowMode(raw) == 1 else { throw lost }
    }

    /// Sends for the server to prepare under a name; it answers with nothing but success.
    func sendPrepare(_ text: String, _ binds: [Statement.Bind], name: String) throws {
        let isSent = PostgresParameters(binds).withPointers { types, _, _, _ in
            PQsendPrepare(raw, name, text, CInt(binds.count), types)
        }
        guard isSent == 1 else { throw lost }
    }

    /// As ``send(_:_:rowByRow:)``, of what was prepared.
    func sendPrepared(_ name: String, _ binds: [Statement.Bind]) throws {
        let isSent = PostgresParameters(binds).withPointers { _, values, lengths, formats in
            PQsendQueryPrepared(raw, name, CInt(binds.count), values, lengths, formats, 1)
        }
        guard isSent == 1 else { throw lost }
    }

    /// What is sent until ``endTogether()`` goes to the server at once: it runs one statement after the other, up to the
    /// first that fails, and answers to all of them (libpq's pipeline mode). The answers to each end as usual; then comes
    /// ``Answer/together``.
    func beginTogether() throws {
        guard PQenterPipelineMode(raw) == 1 else { throw lost }
    }

    func endTogether() throws {
        guard PQpipelineSync(raw) == 1 else { throw lost }
    }

    /// Call it once all answers are taken.
    func leaveTogether() throws {
        guard PQgetResult(raw) == nil, PQexitPipelineMode(raw) == 1 else { throw lost }
    }

    /// Sends what libpq still holds, reading meanwhile: a server that has much to say would not read either.
    func flush(_ patience: inout Patience) async throws {
        while true {
            switch PQflush(raw) {
            case 0: return
            case 1:
                try await wait(orWriting: true, &patience)
                guard PQconsumeInput(raw) == 1 else { throw lost }
            default: throw lost
            }
        }
    }

    /// The next part of the answer; nil at its end.
    /// - Parameter wantsRows: false to drop them unread.
    /// - Throws: ``DatabaseError`` when the connection is lost, or the deadline passes; `CancellationError`. The connection
    ///   is of no more use then.
    func next(_ patience: inout Patience, wantsRows: Bool = true) async throws -> Answer? {
        while PQisBusy(raw) == 1 {
            try await wait(orWriting: false, &patience)
            guard PQconsumeInput(raw) == 1 else { throw lost }
        }
        guard let result = PQgetResult(raw) else {
            // What comes next are another statement's rows.
            columns = []
            return nil
        }
        defer { PQclear(result) }
        switch PQresultStatus(result) {
        case PGRES_PIPELINE_ABORTED: return .skipped
        case PGRES_PIPELINE_SYNC: return .together
        case PGRES_TUPLES_OK, PGRES_SINGLE_TUPLE:
            do {
                return .rows(wantsRows ? try rows(of: result) : [], changes: changes(of: result))
            } catch let error as DatabaseError {
                return .failed(error)
            }
        case PGRES_COMMAND_OK:
            return .done(tag: tag(of: result), changes: changes(of: result))
        default: return .failed(failure(of: result))
        }
    }

    private func wait(orWriting: Bool, _ patience: inout Patience) async throws {
        // libpq takes a TLS record in parts, and the socket has nothing more to say then.
        guard paddock_pq_has_pending(raw) == 0 else { return }
        let socket = PQsocket(raw)
        guard socket >= 0 else { throw lost }
        let late: any Error =
            patience.isCancelled
            ? CancellationError()
            : DatabaseError(
                .databaseUnavailable, "\(name): the database did not answer in time", isFateUnknown: true)
        do {
            try await poller.wait(
                for: socket, orWriting: orWriting, until: patience.deadline, isCancellable: patience.isCancellable
            ) { late }
        } catch is CancellationError where patience.isCancellable {
            patience.cancel()
        }
    }

    // MARK: Notifications

    /// Waits until something comes from the server, or `wake` is given, and returns what has been notified.
    /// - Throws: what ``next(_:)`` throws; nothing at the deadline.
    func notifications(wake: OneShot<Void>, until deadline: ContinuousClock.Instant) async throws -> [(String, String)]
    {
        struct Late: Error {}
        let socket = PQsocket(raw)
        guard socket >= 0 else { throw lost }
        if paddock_pq_has_pending(raw) == 0 {
            do {
                try await poller.wait(for: socket, until: deadline, shot: wake) { Late() }
            } catch is Late {}
        }
        guard PQconsumeInput(raw) == 1 else { throw lost }
        return takeNotifications()
    }

    func takeNotifications() -> [(channel: String, payload: String)] {
        var taken: [(String, String)] = []
        while let notification = PQnotifies(raw) {
            taken.append((String(cString: notification.pointee.relname), String(cString: notification.pointee.extra)))
            PQfreemem(notification)
        }
        return taken
    }

    func quoted(_ identifier: String) -> String {
        guard let quoted = PQescapeIdentifier(raw, identifier, identifier.utf8.count) else { return "\"\"" }
        defer { PQfreemem(quoted) }
        return String(cString: quoted)
    }

    // MARK: Results

    private func rows(of result: OpaquePointer) throws -> [Row] {
        let width = PQnfields(result)
        if columns.isEmpty {
            columns = (0..<width).map { index in
                PostgresColumn(name: String(cString: PQfname(result, index)), type: PQftype(result, index))
            }
            // Shared by all rows.
            names = columns.map(\.name)
        }
        return try (0..<PQntuples(result)).map { row in
            let values = try (0..<width).map { index in
                if PQgetisnull(result, row, index) == 1 { return SQLValue.null }
                let length = Int(PQgetlength(result, row, index))
                return try columns[Int(index)].value(
                    UnsafeRawBufferPointer(start: PQgetvalue(result, row, index), count: length))
            }
            return Row(columns: names, values: values)
        }
    }

    private func tag(of result: OpaquePointer) -> String { String(cString: PQcmdStatus(result)) }

    /// libpq counts the rows of a `SELECT` as well.
    private func changes(of result: OpaquePointer) -> Int {
        tag(of: result).hasPrefix("SELECT") ? 0 : Int(String(cString: PQcmdTuples(result))) ?? 0
    }

    private func failure(of result: OpaquePointer) -> DatabaseError {
        guard let state = PQresultErrorField(result, CInt(UInt8(ascii: "C"))) else { return lost }
        let message = PQresultErrorField(result, CInt(UInt8(ascii: "M")))
        return PostgresFailure.error(state: String(cString: state), message: Self.line(message), database: name)
    }

    // MARK: Text

    /// libpq's messages have several lines.
    private static func line(_ message: UnsafePointer<CChar>?) -> String {
        guard let message else { return "no reason is known" }
        return String(cString: message).split(separator: "\n").joined(separator: "; ")
    }

    private static func withCStrings<Result>(
        _ strings: [String], _ body: ([UnsafePointer<CChar>?]) -> Result
    ) -> Result {
        let copies = strings.map { strdup($0) }
        defer { for copy in copies { free(copy) } }
        return body(copies.map { UnsafePointer($0) } + [nil])
    }
}
