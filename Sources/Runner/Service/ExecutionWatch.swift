import Foundation
public import Logging
import NIOConcurrencyHelpers
public import Storage

/// Tells whoever waits for an execution of its changes: one listener and one look into the tables for all of them.
public final class ExecutionWatch: Sendable {
    public indirect enum Event: Sendable {
        /// As it is now.
        case changed(StoredExecution)
        /// Nothing; comes every ten seconds or so.
        case tick
    }

    /// Between two looks at what is watched, in case a notification was lost.
    private static let pollInterval: Duration = .seconds(2)
    private static let tickInterval: Duration = .seconds(10)

    private struct Watched {
        var watchers: [UInt64: @Sendable (Event) -> Void] = [:]
        var last: ExecutionMark?
    }

    private struct State {
        var watched: [String: Watched] = [:]
        var lastID: UInt64 = 0
        /// To be looked at.
        var changed: Set<String> = []
        var isAllChanged = false
    }

    private let database: Database
    private let logger: Logger
    private let state = NIOLockedValueBox(State())
    private let wake = Wake()

    public init(_ database: Database, logger: Logger) {
        self.database = database
        self.logger = logger
    }

    /// Listens until it is cancelled.
    public func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.listen() }
            group.addTask { await self.look() }
            group.addTask { await self.tick() }
            await group.waitForAll()
        }
    }

    /// Runs the body with what becomes of an execution from now on. It must look at the execution once itself.
    public func withEvents<Result>(
        of id: String, _ body: (AsyncStream<Event>) async throws -> Result
    ) async throws -> Result {
        // The newest count: an execution has fewer states than that.
        let (events, continuation) = AsyncStream<Event>.makeStream(bufferingPolicy: .bufferingNewest(16))
        let watcher = add(id) { continuation.yield($0) }
        defer { remove(watcher, of: id) }
        return try await body(events)
    }

    /// Tells what becomes of an execution from now on, until ``remove(_:of:)``. Whoever is told must look at the execution
    /// once itself, and return at once.
    func add(_ id: String, _ tell: @escaping @Sendable (Event) -> Void) -> UInt64 {
        state.withLockedValue { state in
            state.lastID += 1
            state.watched[id, default: Watched()].watchers[state.lastID] = tell
            return state.lastID
        }
    }

    func remove(_ watcher: UInt64, of id: String) {
        state.withLockedValue { state in
            state.watched[id]?.watchers[watcher] = nil
            if state.watched[id]?.watchers.isEmpty == true { state.watched[id] = nil }
        }
    }

    private func listen() async {
        while !Task.isCancelled {
            do {
                try await database.withNotifications(ExecutionQueue.changed) { notifications in
                    for try await notification in notifications { hear(notification) }
                }
            } catch {
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    private func hear(_ notification: Storage.Notification) {
        let isOfInterest = state.withLockedValue { state in
            switch notification {
            case .catchUp:
                state.isAllChanged = true
                return true
            case .message(let id):
                guard state.watched[id] != nil else { return false }
                state.changed.insert(id)
                return true
            }
        }
        if isOfInterest { wake.up() }
    }

    private func look() async {
        var lastPoll = ContinuousClock.now
        while !Task.isCancelled {
            await wake.wait(atMost: Self.pollInterval)
            let now = ContinuousClock.now
            let isPoll = now - lastPoll >= Self.pollInterval
            if isPoll { lastPoll = now }
            let (announced, others) = state.withLockedValue { state -> ([String], [String]) in
                defer { (state.changed, state.isAllChanged) = ([], false) }
                guard isPoll || state.isAllChanged else { return (Array(state.changed), []) }
                return (Array(state.changed), state.watched.keys.filter { !state.changed.contains($0) })
            }
            do {
                try await tell(announced)
                try await tell(try await changed(among: others))
            } catch {
                // The next look makes up for it.
                logger.debug("what is watched could not be looked at", metadata: ["error": "\(error)"])
            }
        }
    }

    /// Says so that nothing has come, whatever the database does.
    private func tick() async {
        while (try? await Task.sleep(for: Self.tickInterval)) != nil {
            let watchers = state.withLockedValue { $0.watched.values.flatMap(\.watchers.values) }
            for tell in watchers { tell(.tick) }
        }
    }

    /// At once in one statement.
    private static let portion = 100

    /// Those that are not as they were told of last.
    private func changed(among ids: [String]) async throws -> [String] {
        var changed: [String] = []
        for start in stride(from: 0, to: ids.count, by: Self.portion) {
            let marks = try await ExecutionList().marks(
                Array(ids[start..<min(start + Self.portion, ids.count)]), in: database)
            state.withLockedValue { state in
                for mark in marks where state.watched[mark.id].map({ $0.last != mark }) ?? false {
                    changed.append(mark.id)
                }
            }
        }
        return changed
    }

    private func tell(_ ids: [String]) async throws {
        for start in stride(from: 0, to: ids.count, by: Self.portion) {
            let some = ids[start..<min(start + Self.portion, ids.count)]
            for stored in try await ExecutionList().find(Array(some), in: database) { tell(stored) }
        }
    }

    private func tell(_ stored: StoredExecution) {
        let watchers: [@Sendable (Event) -> Void] = state.withLockedValue { state in
            let mark = ExecutionMark(stored)
            guard let watched = state.watched[stored.id], watched.last != mark else { return [] }
            state.watched[stored.id]?.last = mark
            return Array(watched.watchers.values)
        }
        let event = Event.changed(stored)
        for tell in watchers { tell(event) }
    }
}
