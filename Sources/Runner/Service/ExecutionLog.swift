import AsyncAlgorithms
import Foundation
public import Storage

/// One execution's log, read or followed: the one reader behind every form in which logs are shown.
public struct ExecutionLog: Sendable {
    /// What a reader gets.
    public enum Item: Sendable {
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
    /// - Throws: `DatabaseError`, `CancellationError`, what the body throws.
    public func read(_ selection: Selection, _ body: (Item) async throws -> Void) async throws {
        var position = selection.offset
        guard selection.follows else { return try await drain(&position, body) }
        try await follow(&position, selection.known, body)
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

    private enum Piece: Sendable {
        case records([LogRecord])
        case logHasEnded
        case event(ExecutionWatch.Event)
    }

    /// Until the execution has ended: each round reads the log as long as somebody here knows its writer.
    private func follow(
        _ position: inout Int64, _ known: ExecutionState?, _ body: (Item) async throws -> Void
    ) async throws {
        var last = known
        while true {
            let next: Round = try await watch.withEvents(of: id.description) { events in
                // Read before the log: once an execution has ended, all of its log is stored.
                guard let stored = try await ExecutionQueue().find(id.description, in: database) else { return .over }
                if stored.state.isEnd {
                    try await finish(stored, &position, body)
                    return .over
                }
                if stored.state != last, last != nil { try await body(.changed(stored)) }
                last = stored.state
                return try await round(&position, &last, events, body)
            }
            switch next {
            case .over: return
            case .again: continue
            // Written by another node, or by one that has gone: whoever goes on with it writes anew.
            case .later: try await Task.sleep(for: Self.pause)
            }
        }
    }

    private enum Round {
        case over, again, later
    }

    private func round(
        _ position: inout Int64, _ last: inout ExecutionState?, _ events: AsyncStream<ExecutionWatch.Event>,
        _ body: (Item) async throws -> Void
    ) async throws -> Round {
        let records = hub.read(id, from: position, follows: true).map { Piece.records($0) }
        let log = chain(records, CollectionOfOne(Piece.logHasEnded).async)
        var hasChanged = false
        var hasLogEnded = false
        for try await piece in merge(log, events.map { Piece.event($0) }) {
            switch piece {
            case .records(let records):
                if let last = records.last { position = last.end }
                try await body(.records(records))
            case .event(.tick): try await body(.tick)
            case .event(.changed(let stored)):
                if stored.state.isEnd {
                    try await finish(stored, &position, body)
                    return .over
                }
                hasChanged = true
                if stored.state != last { try await body(.changed(stored)) }
                last = stored.state
            case .logHasEnded:
                hasLogEnded = true
                if last != .queued, !hasChanged { return .later }
            }
            // Its writer may be there by now.
            if hasLogEnded, hasChanged { return .again }
        }
        return .later
    }

    private func finish(
        _ stored: StoredExecution, _ position: inout Int64, _ body: (Item) async throws -> Void
    ) async throws {
        try await drain(&position, body)
        try await body(.end(stored))
    }
}
