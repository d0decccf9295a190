import Dispatch
import GRDB
import GRDBSQLite
import Glibc
import NIOConcurrencyHelpers

/// SQLite in WAL mode: one connection that writes, four that read what is committed.
final class SQLiteDriver: Driver {
    private struct State {
        var writer: SQLiteSession?
        var readers: [SQLiteSession] = []
        /// The file that was opened first.
        var file: SQLiteFile?
        var isClosed = false
    }

    private static let readerCount = 4
    /// `RETURNING`, 3.35.0.
    private static let oldestVersion: CInt = 3_035_000

    let dialect = Dialect.sqlite
    private let path: String
    private let hub = NotificationHub()
    private let writers = Permits(1)
    private let readers = Permits(readerCount)
    private let state = NIOLockedValueBox(State())

    init(path: String) { self.path = path }

    // MARK: Leases

    func acquire(
        _ access: Access, isUrgent: Bool, until deadline: ContinuousClock.Instant
    ) async throws -> any Session {
        // The first connection that writes makes the file, and WAL mode.
        if access == .read, state.withLockedValue({ $0.file == nil }) {
            release(try await acquire(.write, isUrgent: isUrgent, until: deadline))
        }
        let permits = permits(for: access)
        try await permits.take(isUrgent: isUrgent, until: deadline)
        do {
            if let session = try idle(access) { return session }
            return try await open(access, until: deadline)
        } catch {
            permits.giveBack()
            throw error
        }
    }

    func release(_ session: any Session) {
        guard let session = session as? SQLiteSession else { return }
        state.withLockedValue { state in
            guard !state.isClosed, !session.isBroken else { return }
            switch session.access {
            case .write: state.writer = session
            case .read: state.readers.append(session)
            }
        }
        permits(for: session.access).giveBack()
    }

    private func permits(for access: Access) -> Permits { access == .write ? writers : readers }

    private func idle(_ access: Access) throws -> SQLiteSession? {
        let (session, file): (SQLiteSession?, SQLiteFile?) = try state.withLockedValue { state in
            guard !state.isClosed else {
                throw DatabaseError(.databaseClosed, "\(self.description): the database has been closed")
            }
            switch access {
            case .write:
                defer { state.writer = nil }
                return (state.writer, state.file)
            case .read: return (state.readers.popLast(), state.file)
            }
        }
        // What is written to a file without a name is lost with the process.
        if let file, SQLiteFile(path: path) != file {
            if let session { putBack(session) }
            throw DatabaseError(
                .databaseUnavailable,
                "\(description): the file was moved, removed or replaced while in use: put it back, or start again")
        }
        return session
    }

    private func putBack(_ session: SQLiteSession) {
        state.withLockedValue { state in
            switch session.access {
            case .write: state.writer = session
            case .read: state.readers.append(session)
            }
        }
    }

    // MARK: Opening

    private func open(_ access: Access, until deadline: ContinuousClock.Instant) async throws -> SQLiteSession {
        guard sqlite3_libversion_number() >= Self.oldestVersion else {
            throw DatabaseError(
                .databaseUnavailable, "SQLite \(String(cString: sqlite3_libversion())) is too old: 3.35 is needed")
        }
        let opened = OneShot<SQLiteSession>()
        // SQLite blocks, and this thread is not ours.
        DispatchQueue.global().async { [path, hub] in
            opened.give(Result { try Self.open(path, access, hub: hub, until: deadline) })
        }
        let session: SQLiteSession
        do {
            session = try await opened.value(until: deadline + SQLiteSession.slack, isCancellable: false) {
                [description] in
                DatabaseError(.databaseUnavailable, "\(description): the disk did not answer in time")
            }
        } catch {
            throw SQLiteFailure.translate(error, database: description)
        }
        if access == .write {
            state.withLockedValue { state in if state.file == nil { state.file = SQLiteFile(path: path) } }
        }
        return session
    }

    private static func open(
        _ path: String, _ access: Access, hub: NotificationHub, until deadline: ContinuousClock.Instant
    ) throws -> SQLiteSession {
        if access == .write { try SQLiteFile.prepare(path) }
        while true {
            do {
                return try SQLiteSession(path: path, access: access, hub: hub, until: deadline)
            } catch let error as GRDB.DatabaseError
                where error.resultCode == .SQLITE_BUSY && ContinuousClock.now < deadline
            {
                // The switch to WAL mode does not ask the busy handler when somebody else switches as well.
                usleep(5000)
            }
        }
    }

    // MARK: The rest

    private var description: String { "sqlite:\(path)" }

    func subscribe(to channel: String) -> Notifications {
        let notifications = hub.subscribe(to: channel)
        notifications.post(.catchUp)
        return notifications
    }

    func close() async {
        hub.close()
        // GRDB closes a connection with its last reference.
        state.withLockedValue { state in
            state.isClosed = true
            state.writer = nil
            state.readers = []
        }
    }
}
