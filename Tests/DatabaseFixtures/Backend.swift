import Foundation
package import Logging
package import NIOConcurrencyHelpers
package import Storage

/// A database to run the contract on.
package enum Backend: String, CaseIterable, Sendable {
    case sqlite
    case postgres

    /// Where an empty database of the test's own is, for another process.
    package func withURL<Result>(_ body: (String) async throws -> Result) async throws -> Result {
        switch self {
        case .sqlite: return try await withTemporaryFolder { try await body("sqlite:\($0)/paddock.sqlite") }
        case .postgres:
            let cluster = try await PrivateCluster.shared.value
            return try await cluster.withNewDatabase { try await body(cluster.url(database: $0)) }
        }
    }

    /// An empty database of the test's own, to be opened once or, as by several nodes, more often.
    package func withLocation<Result>(_ body: (DatabaseLocation) async throws -> Result) async throws -> Result {
        switch self {
        case .sqlite:
            return try await withTemporaryFolder { try await body(DatabaseLocation(url: nil, stateFolder: $0)) }
        case .postgres:
            let cluster = try await PrivateCluster.shared.value
            return try await cluster.withNewLocation(body)
        }
    }

    package func withDatabase<Result>(
        _ change: (inout Database.Configuration) -> Void = { _ in }, _ body: (Database) async throws -> Result
    ) async throws -> Result {
        var configuration = Database.Configuration.patient
        change(&configuration)
        return try await withLocation { try await $0.withDatabase(configuration, body) }
    }
}

extension Database.Configuration {
    /// For tests in which nothing is late: on a machine that is very busy, all is.
    package static let patient: Self = {
        var configuration = Self()
        configuration.acquireTimeout = .seconds(60)
        return configuration
    }()
}

extension DatabaseLocation {
    package func withDatabase<Result>(
        _ configuration: Database.Configuration = .patient, logger: Logger = .silent,
        _ body: (Database) async throws -> Result
    ) async throws -> Result {
        let database = Database(self, configuration: configuration, logger: logger)
        do {
            let result = try await body(database)
            await database.close()
            return result
        } catch {
            await database.close()
            throw error
        }
    }
}

extension Logger {
    package static let silent = Logger(label: "tests") { _ in SwiftLogNoOpLogHandler() }
}

/// Keeps what is logged.
package struct RecordingLog: LogHandler {
    package let messages = NIOLockedValueBox<[String]>([])
    package var metadata: Logger.Metadata = [:]
    package var logLevel = Logger.Level.debug

    package init() {}

    package var logger: Logger { Logger(label: "tests") { _ in self } }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        messages.withLockedValue { $0.append(event.message.description) }
    }
}

package func withTemporaryFolder<Result>(_ body: (String) async throws -> Result) async throws -> Result {
    let folder = "/tmp/paddock-storage-\(UInt64.random(in: 0...UInt64.max))"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try await body(folder)
}

package struct NotInTime: Error {}

/// Waits for a condition, for as long as a machine that is very busy may need.
package func eventually(within limit: Duration = .seconds(60), _ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + limit
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw NotInTime() }
        try await Task.sleep(for: .milliseconds(10))
    }
}

/// Waits until the database answers within its own time for a statement, which is so short here that a busy machine
/// does not always keep it.
package func eventuallyInTime(_ condition: () async throws -> Bool) async throws {
    try await eventually {
        do {
            return try await condition()
        } catch let error as DatabaseError where error.code == .statementTimeout {
            return false
        }
    }
}

/// The code of the error that is thrown; nil when none is.
package func errorCode(_ operation: () async throws -> Void) async throws -> DatabaseError.Code? {
    do {
        try await operation()
        return nil
    } catch let error as DatabaseError {
        return error.code
    }
}
