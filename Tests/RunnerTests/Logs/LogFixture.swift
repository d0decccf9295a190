import DatabaseFixtures
import DockerAPI
import Foundation
import Logging
import Storage
import Testing

@testable import Runner

/// A node's logs on a database that is up to date.
struct LogFixture: Sendable {
    let database: Database
    let hub: LogHub

    static func with<Result>(
        _ backend: Backend, _ body: (LogFixture) async throws -> Result
    ) async throws -> Result {
        try await backend.withDatabase { database in
            try await database.migrate()
            return try await with(database, body)
        }
    }

    static func with<Result>(_ database: Database, _ body: (LogFixture) async throws -> Result) async throws -> Result {
        let hub = LogHub(database, logger: .silent)
        let storer = Task { await hub.run() }
        defer { storer.cancel() }
        let result = try await body(LogFixture(database: database, hub: hub))
        hub.journal.close()
        await storer.value
        return result
    }

    /// An execution that runs here, and its lease.
    func execution() async throws -> (id: ExecutionID, lease: ExecutionQueue.Lease) {
        let id = ExecutionID()
        let queue = ExecutionQueue()
        return try await database.transaction { transaction in
            try await queue.submit(
                .init(
                    id: id.description, userID: "usr_a", agentID: nil, request: "{}", patience: .seconds(600)),
                in: transaction)
            let claim = try await queue.claim(for: "node", startingWithin: .seconds(600), in: transaction)
            return (id, try #require(claim).lease)
        }
    }

    /// Ends an execution whose log is finished.
    func end(_ lease: ExecutionQueue.Lease, logBytes: Int = 0) async throws {
        try await database.transaction(isolation: .readCommitted) { transaction in
            try await ExecutionQueue().finish(
                lease, as: .succeeded, ending: "{}",
                usage: StoredUsage(
                    wallMilliseconds: 1, cpuMilliseconds: 1, maxMemoryBytes: 1, logBytes: logBytes, egressBytes: 0),
                in: transaction)
        }
    }

    /// All of a log as it is stored.
    func stored(_ execution: ExecutionID, from offset: Int64 = 0) async throws -> [LogRecord] {
        try await hub.read(execution, from: offset, follows: false).reduce(into: []) { $0 += $1 }
    }

    func follow(_ execution: ExecutionID, from offset: Int64 = 0, pause: Duration? = nil) async throws -> [LogRecord] {
        var all: [LogRecord] = []
        for try await records in hub.read(execution, from: offset, follows: true) {
            all += records
            if let pause { try await Task.sleep(for: pause) }
        }
        return all
    }
}

extension [LogRecord] {
    /// The bytes of one stream, or of both as they came.
    func bytes(of stream: LogStream? = nil) -> [UInt8] {
        reduce(into: []) { all, record in
            if case .bytes(let bytes, let own) = record.content, stream == nil || own == stream { all += bytes }
        }
    }

    /// Both streams as they came.
    var text: String { String(decoding: bytes(), as: UTF8.self) }

    /// Whether each record begins where the one before it ended, the first one at the offset.
    func isWhole(from offset: Int64 = 0) -> Bool {
        var end = offset
        for record in self {
            guard record.offset == end else { return false }
            end = record.end
        }
        return true
    }
}
