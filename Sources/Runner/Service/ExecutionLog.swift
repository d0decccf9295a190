import Foundation
public import Storage

/// One execution's log, read or followed: the one reader behind every form in which logs are shown.
public struct ExecutionLog: Sendable {
    /// What a reader gets.
    public indirect enum Item: Sendable {
        /// One behind the other, at least one.
        case records([LogRecord])
        /// The execution's state has changed.
        case changed(StoredExecution)
        /// Nothing has come for a while.
        case tick
        /// It has ended, and all of its log was given; nothing comes after it.
        case end(StoredExecution)
    }

    /// What may be left out.
    public struct Selection: Sendable {
        /// Where to begin: every byte from there on.
        public var offset: Int64 = 0
        /// Go on until the execution ends.
        public var follows = false
        /// The state that the reader knows already; another one is told first. nil for none.
        public var known: ExecutionState?

        public init() {}
    }

    /// Before looking again at a log that nobody here writes.
    private static let pause: Duration = .milliseconds(500)

    private let id: ExecutionID
    private let hub: LogHub
    private let watch: ExecutionWatch
    private let database: Database

    init(_ id: ExecutionID, hub: LogHub, watch: ExecutionWatch, database: Database) {
        self.id = id
        self.hub = hub
        self.watch = watch
        self.database = database
    }

    /// Gives the log to the body, piece by piece: the next one is read when the body has returned. How slow it is
    /// matters to nobody else.
    /// - Parameter inbox: for one who follows, and may be told to leave.
    /// - Throws: `DatabaseError`, `CancellationError`, what the body throws.
    public func read(
        _ selection: Selection, _ inbox: LogInbox = LogInbox(), _ body: (Item) async throws -> Void
    ) async throws {
        var position = selection.offset
        guard selection.follows else { return try await drain(&position, body) }
        var known = selection.known
        while true {
            let watcher = watch.add(id.description) { inbox.add($0) }
            defer { watch.remove(watcher, of: id.description) }
            let round: Round
            do {
                round = try await follow(&position, &known, inbox, body)
            } catch let error as DatabaseError where error.mayPass {
                // It goes on from where it is when the database does.
                try await body(.tick)
                round = .later
            }
            switch round {
            case .over: return
            case .again: continue
            // Written by another node, or by one that has gone: whoever goes on with it writes anew.
            case .later:
                try inbox.checkPresence()
                try await Task.sleep(for: Self.pause)
            }
        }
    }

    /// Where what is stored ends.
    func end() async throws -> Int64 { try await LogRepository(database).position(of: id).offset }

    /// Every record that is there now, from the offset on.
    func forEachRecord(from offset: Int64, _ body: (LogRecord) -> Void) async throws {
        for try await records in hub.read(id, from: offset, follows: false) { records.forEach(body) }
    }

    /// Whatever is there now.
    private func drain(_ position: inout Int64, _ body: (Item) async throws -> Void) async throws {
        for try await records in hub.read(id, from: position, follows: false) {
            if let last = records.last { position = last.end }
            try await body(.records(records))
        }
    }

    private enum Round {
        case over, again, later
    }

    /// Until the execution has ended, or somebody else may write its log.
    private func follow(
        _ position: inout Int64, _ known: inout ExecutionState?, _ inbox: LogInbox,
        _ body: (Item) async throws -> Void
    ) async throws -> Round {
        // Read before the log: once an execution has ended, all of its log is stored.
        if try await look(&position, &known, body) { return .over }
        var log = hub.read(id, from: position, follows: true).makeAsyncIterator()
        defer { log.forget(inbox) }
        var hasChanged = false
        var hasLogEnded = false
        while true {
            for event in inbox.takeEvents() {
                switch event {
                case .tick: try await body(.tick)
                case .changed(let stored):
                    hasChanged = true
                    if try await tell(stored, &position, &known, body) { return .over }
                }
            }
            // Its writer may be there by now.
            if hasLogEnded, hasChanged { return .again }
            if !hasLogEnded {
                switch try await log.step(inbox) {
                case .records(let records):
                    position = log.offset
                    try await body(.records(records))
                    continue
                case .nothingYet: break
                case .end:
                    hasLogEnded = true
                    if known != .queued, !hasChanged { return .later }
                    continue
                }
            }
            try await inbox.wait()
        }
    }

    /// - Returns: whether it has ended, and its log was given to the end.
    private func look(
        _ position: inout Int64, _ known: inout ExecutionState?, _ body: (Item) async throws -> Void
    ) async throws -> Bool {
        let (id, database) = (id.description, database)
        guard let stored = try await apart({ try await ExecutionQueue().find(id, in: database) }) else { return true }
        if known == nil, !stored.state.isEnd { known = stored.state }
        return try await tell(stored, &position, &known, body)
    }

    private func tell(
        _ stored: StoredExecution, _ position: inout Int64, _ known: inout ExecutionState?,
        _ body: (Item) async throws -> Void
    ) async throws -> Bool {
        if stored.state.isEnd {
            try await finish(stored, &position, body)
            return true
        }
        if stored.state != known { try await body(.changed(stored)) }
        known = stored.state
        return false
    }

    private func finish(
        _ stored: StoredExecution, _ position: inout Int64, _ body: (Item) async throws -> Void
    ) async throws {
        try await drain(&position, body)
        try await body(.end(stored))
    }
}
