import Foundation
import GRDB
import GRDBSQLite
import NIOConcurrencyHelpers

/// One connection to SQLite, on a queue of its own.
final class SQLiteSession: Session {
    /// The statement that runs now: SQLite asks it, from inside, whether to stop.
    private final class Current: Sendable {
        private let control = NIOLockedValueBox<StatementControl?>(nil)

        func set(_ control: StatementControl?) { self.control.withLockedValue { $0 = control } }
        var mustStop: Bool { control.withLockedValue { $0 }?.mustStop ?? false }
    }

    private struct State {
        var isBroken = false
        var isInTransaction = false
        /// Sent with the commit.
        var notifications: [(channel: String, payload: String)] = []
        /// Of the statement whose rows are being read.
        var reading: StatementControl?
    }

    /// What only the queue touches.
    ///
    /// Unchecked: it is used in nothing but the closures of `perform`, which run on the queue.
    private final class QueueState: @unchecked Sendable {
        var cursor: RowCursor?
        var columns: [String] = []
    }

    private static let longestCached = 4000
    /// Steps of SQLite's machine between two questions whether to stop: a fraction of a millisecond.
    private static let stepsPerQuestion: CInt = 4000

    /// SQLite ends a statement at its deadline. Beyond this it is the disk that hangs.
    static let slack: Duration = .seconds(5)

    let access: Access
    private let description: String
    private let queue: DatabaseQueue
    private let hub: NotificationHub
    private let current = Current()
    private let queueState = QueueState()
    private let state = NIOLockedValueBox(State())

    /// Opens a connection. Blocks.
    init(path: String, access: Access, hub: NotificationHub, until deadline: ContinuousClock.Instant) throws {
        self.access = access
        self.hub = hub
        description = "sqlite:\(path)"
        var configuration = GRDB.Configuration()
        configuration.readonly = access == .read
        configuration.journalMode = .wal
        configuration.foreignKeysEnabled = true
        // A transaction of ours spans several accesses.
        configuration.allowsUnsafeTransactions = true
        // In place of SQLite's own busy timeout, which cannot be cancelled.
        configuration.busyMode = .callback { [current] _ in
            usleep(2000)
            return !current.mustStop
        }
        configuration.prepareDatabase { [current] db in
            let context = Unmanaged.passUnretained(current).toOpaque()
            sqlite3_progress_handler(
                db.sqliteConnection, Self.stepsPerQuestion,
                { context in
                    guard let context else { return 0 }
                    return Unmanaged<Current>.fromOpaque(context).takeUnretainedValue().mustStop ? 1 : 0
                }, context)
        }
        current.set(StatementControl(until: deadline))
        queue = try DatabaseQueue(path: path, configuration: configuration)
        if access == .write {
            // Durable when it returns, also when the machine goes down: GRDB's own choice for WAL is not.
            try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA synchronous = FULL") }
        }
        // Of the pages that are read, the system has a copy.
        if access == .read { try queue.writeWithoutTransaction { try $0.execute(sql: "PRAGMA cache_size = -512") } }
        current.set(nil)
    }

    /// Not to be used again.
    var isBroken: Bool { state.withLockedValue { $0.isBroken } }

    /// Runs on the queue. Returns once that is done, also when the task is cancelled: then it is soon. A disk that hangs
    /// is not waited for: then the connection is not used again, and who knows what it still writes.
    private func perform<Result: Sendable>(
        _ control: StatementControl, isCancellable: Bool = true,
        _ operation: @escaping @Sendable (GRDB.Database) throws -> Result
    ) async throws -> Result {
        let shot = OneShot<Result>()
        queue.asyncWriteWithoutTransaction { [current] db in
            current.set(control)
            defer { current.set(nil) }
            shot.give(Swift.Result { try operation(db) })
        }
        do {
            return try await withTaskCancellationHandler {
                try await shot.value(until: control.end + Self.slack, isCancellable: false) {
                    [state, description] in
                    state.withLockedValue { $0.isBroken = true }
                    return DatabaseError(
                        .databaseUnavailable, "\(description): the disk did not answer in time", isFateUnknown: true)
                }
            } onCancel: {
                if isCancellable { control.cancel() }
            }
        } catch {
            throw SQLiteFailure.translate(error, database: description, control: control)
        }
    }

    /// Runs on this thread: of what is in the page cache, most is done before another thread would be awake. A disk that
    /// hangs holds it up: so at least one of the threads that run tasks never comes here.
    /// - Returns: nil where it has to be ``perform(_:isCancellable:_:)``.
    private func performHere<Result: Sendable>(
        _ control: StatementControl, _ operation: (GRDB.Database) throws -> Result
    ) async throws -> Result? {
        guard Self.here.take() else { return nil }
        defer { Self.here.giveBack() }
        return try await withTaskCancellationHandler {
            try onThisThread(control, operation)
        } onCancel: {
            control.cancel()
        }
    }

    private func onThisThread<Result>(
        _ control: StatementControl, _ operation: (GRDB.Database) throws -> Result
    ) throws -> Result {
        try queue.writeWithoutTransaction { [current] db in
            current.set(control)
            defer { current.set(nil) }
            return try operation(db)
        }
    }

    /// Threads that run tasks, and may run SQLite.
    private struct Places: Sendable {
        private static let count = max(1, ProcessInfo.processInfo.activeProcessorCount - 1)
        private let taken = NIOLockedValueBox(0)

        func take() -> Bool {
            taken.withLockedValue { taken in
                guard taken < Self.count else { return false }
                taken += 1
                return true
            }
        }

        func giveBack() { taken.withLockedValue { $0 -= 1 } }
    }

    private static let here = Places()

    // MARK: Transactions

    func begin(
        _ isolation: Transaction.Isolation, statementTimeout: Duration, until deadline: ContinuousClock.Instant
    ) async throws {
        do {
            try await perform(StatementControl(until: deadline)) { try $0.beginTransaction(.immediate) }
            state.withLockedValue { $0.isInTransaction = true }
        } catch let error as DatabaseError where error.code == .transactionConflict {
            throw DatabaseError(
                .databaseBusy, "\(description): another process kept writing until the deadline: try again later",
                cause: error)
        } catch let error as DatabaseError where error.isFateUnknown {
            // Nothing is written yet. Another connection would find the same disk.
            throw DatabaseError(error.code, error.message, cause: error.cause)
        }
    }

    /// `BEGIN IMMEDIATE` has been answered.
    var hasBegun: Bool { true }

    func commit(after statements: [Statement], timeout: Duration) async throws {
        if !statements.isEmpty { _ = try await run(statements, timeout: timeout) }
        try await perform(StatementControl(until: .now + timeout), isCancellable: false) { try $0.commit() }
        state.withLockedValue { $0.isInTransaction = false }
        let sent = takeNotifications()
        for (channel, payload) in sent { hub.publish(.message(payload), to: channel) }
    }

    func rollback() async {
        _ = takeNotifications()
        state.withLockedValue { $0.isInTransaction = false }
        do {
            try await perform(StatementControl(until: .now + .seconds(5)), isCancellable: false) { db in
                // SQLite itself rolls back after some errors.
                if db.isInsideTransaction { try db.rollback() }
            }
        } catch {
            state.withLockedValue { $0.isBroken = true }
        }
    }

    // MARK: Statements

    func run(_ statements: [Statement], timeout: Duration) async throws -> Outcome {
        let control = StatementControl(statements.count, timeout: timeout)
        let operation: @Sendable (GRDB.Database) throws -> Outcome = { [description] db in
            var last = Outcome()
            for statement in statements {
                control.next(until: .now + timeout)
                do {
                    last = try Self.run(statement, on: db)
                } catch  where statements.count > 1 {
                    throw SQLiteFailure.translate(error, database: description, control: control).of(statement)
                }
            }
            return last
        }
        // It has the lock already, and the commit is another step: nothing to wait for.
        if state.withLockedValue({ $0.isInTransaction }) {
            do {
                if let outcome = try await performHere(control, operation) { return outcome }
            } catch {
                throw SQLiteFailure.translate(error, database: description, control: control)
            }
        }
        return try await perform(control, operation)
    }

    /// What takes longer than ``patience`` is done as everything else.
    func find(_ statement: Statement, timeout: Duration) async throws -> Outcome {
        let control = StatementControl(until: .now + Self.patience)
        do {
            try Task.checkCancellation()
            if let outcome = try await performHere(control, { try Self.run(statement, on: $0) }) { return outcome }
        } catch let error as GRDB.DatabaseError
            where [.SQLITE_INTERRUPT, .SQLITE_BUSY].contains(error.resultCode) && !control.isCancelled
        {
            // Once more, with more time.
        } catch {
            throw SQLiteFailure.translate(error, database: description, control: control)
        }
        return try await run([statement], timeout: timeout)
    }

    private static let patience: Duration = .milliseconds(5)

    private static func run(_ statement: Statement, on db: GRDB.Database) throws -> Outcome {
        // Long texts are rows of many values, and seldom the same.
        let isShort = statement.text.utf8.count < longestCached
        let prepared = isShort ? try db.cachedStatement(sql: statement.text) : try db.makeStatement(sql: statement.text)
        let before = db.totalChangesCount
        let cursor = try GRDB.Row.fetchCursor(prepared, arguments: arguments(statement))
        var outcome = Outcome()
        let columns = prepared.columnNames
        while let row = try cursor.next() { outcome.rows.append(Self.row(row, columns)) }
        // SQLite keeps the number of the last statement that had one.
        if !prepared.isReadonly, db.totalChangesCount != before { outcome.changes = db.changesCount }
        return outcome
    }

    func start(_ statement: Statement, timeout: Duration) async throws {
        let control = StatementControl(until: .now + timeout)
        state.withLockedValue { $0.reading = control }
        try await perform(control) { [queueState] db in
            let prepared = try db.makeStatement(sql: statement.text)
            queueState.columns = prepared.columnNames
            queueState.cursor = try GRDB.Row.fetchCursor(prepared, arguments: Self.arguments(statement))
        }
    }

    func fetch() async throws -> [Row] {
        guard let control = state.withLockedValue({ $0.reading }) else { return [] }
        return try await perform(control) { [queueState] _ in
            guard let cursor = queueState.cursor else { return [] }
            var batch = RowBatch()
            while !batch.isFull, let row = try cursor.next() { batch.append(Self.row(row, queueState.columns)) }
            return batch.rows
        }
    }

    func endRows() async {
        state.withLockedValue { $0.reading = nil }
        _ = try? await perform(StatementControl(until: .now + .seconds(5)), isCancellable: false) { [queueState] _ in
            queueState.cursor = nil
        }
    }

    func notify(_ channel: String, _ payload: String) -> Statement? {
        announce(channel, payload)
        return nil
    }

    func announce(_ channel: String, _ payload: String) {
        state.withLockedValue { $0.notifications.append((channel, payload)) }
    }

    private func takeNotifications() -> [(channel: String, payload: String)] {
        state.withLockedValue { state in
            defer { state.notifications = [] }
            return state.notifications
        }
    }

    /// A transaction that writes holds back every other one.
    func lockMigrations() -> Statement? { nil }

    // MARK: Values

    private static func arguments(_ statement: Statement) -> StatementArguments {
        StatementArguments(
            statement.binds.map { bind -> (any DatabaseValueConvertible)? in
                switch bind.value {
                case .null: nil
                case .integer(let number): number
                case .real(let number): number
                case .boolean(let flag): flag ? 1 : 0
                case .text(let text): text
                case .bytes(let bytes): Data(bytes)
                }
            })
    }

    private static func row(_ row: GRDB.Row, _ columns: [String]) -> Row {
        let values: [SQLValue] = (0..<columns.count).map { index in
            let value: DatabaseValue = row[index]
            switch value.storage {
            case .null: return .null
            case .int64(let number): return .integer(number)
            case .double(let number): return .real(number)
            case .string(let text): return .text(text)
            case .blob(let data): return .bytes([UInt8](data))
            }
        }
        return Row(columns: columns, values: values)
    }
}
