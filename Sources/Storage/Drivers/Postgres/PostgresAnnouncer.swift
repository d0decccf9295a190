import Foundation
import Logging
import NIOConcurrencyHelpers

/// Sends notifications soon after the commits that they belong to, those of all connections together.
///
/// PostgreSQL lets transactions that notify commit only one after the other, each until it is on the disk. So what
/// changes often notifies in transactions of its own: one at a time, for all that came meanwhile, and none of them waits
/// for the disk.
final class PostgresAnnouncer: Sendable {
    private struct State {
        /// By channel.
        var waiting: [String: Set<String>] = [:]
        /// Runs while there is something to send.
        var task: Task<Void, Never>?
        var isClosed = false
    }

    /// From one transaction to the next: who waits for an end, waits for this too.
    private static let pause: Duration = .milliseconds(5)
    /// For the last ones when the database is closed.
    private static let closeLimit: Duration = .seconds(2)

    private let logger: Logger
    private let state = NIOLockedValueBox(State())

    init(logger: Logger) { self.logger = logger }

    /// Returns at once. What cannot be sent is dropped: listeners look into the tables as well.
    /// - Parameter send: runs a statement on a connection.
    func announce(
        _ notifications: [(channel: String, payload: String)],
        _ send: @escaping @Sendable (Statement) async throws -> Void
    ) {
        guard !notifications.isEmpty else { return }
        state.withLockedValue { state in
            guard !state.isClosed else { return }
            for (channel, payload) in notifications { state.waiting[channel, default: []].insert(payload) }
            if state.task == nil { state.task = Task { await self.run(send) } }
        }
    }

    /// Returns once what waits is sent, or ``closeLimit`` has passed. Nothing is taken any more.
    func close() async {
        let task = state.withLockedValue { state in
            state.isClosed = true
            return state.task
        }
        guard let task else { return }
        let timer = Task {
            try await Task.sleep(for: Self.closeLimit)
            task.cancel()
        }
        await task.value
        timer.cancel()
    }

    private func run(_ send: @Sendable (Statement) async throws -> Void) async {
        while let waiting = take() {
            for (channel, payloads) in waiting {
                do {
                    try await send(Self.statement(channel, payloads))
                } catch {
                    logger.debug("notifications were not sent", metadata: ["paddock.storage.error": "\(error)"])
                }
            }
            if !state.withLockedValue({ $0.isClosed }) { try? await Task.sleep(for: Self.pause) }
        }
    }

    /// - Returns: nil when nothing waits: then the task has ended.
    private func take() -> [String: Set<String>]? {
        state.withLockedValue { state in
            guard !state.waiting.isEmpty, !Task.isCancelled else {
                state.waiting = [:]
                state.task = nil
                return nil
            }
            defer { state.waiting = [:] }
            return state.waiting
        }
    }

    /// One text for any number of them, so that it is prepared.
    private static func statement(_ channel: String, _ payloads: Set<String>) throws -> Statement {
        let list = String(decoding: try JSONEncoder().encode(payloads.sorted()), as: UTF8.self)
        return try Statement(
            """
            SELECT set_config('synchronous_commit', 'off', true), pg_notify(\(channel), payload)
            FROM json_array_elements_text(CAST(\(list) AS json)) AS payloads (payload)
            """, for: .postgres)
    }
}
