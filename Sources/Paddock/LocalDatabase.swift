import Foundation
import Logging
import Runner
import Storage

/// The database of commands that work on it without a server: the one that `DATABASE_URL` names, or the state folder's.
enum LocalDatabase {
    /// Opens the database, brings its schema up to date, and closes it when the body is done.
    static func with<Result>(_ body: (Database) async throws -> Result) async throws -> Result {
        let environment = ProcessInfo.processInfo.environment
        let location = try DatabaseLocation(
            url: environment["DATABASE_URL"], stateFolder: try StateFolder(environment: environment).path)
        let database = Database(location, logger: Logger(label: "paddock") { _ in SwiftLogNoOpLogHandler() })
        do {
            try await database.migrate()
            let result = try await body(database)
            await database.close()
            return result
        } catch {
            await database.close()
            throw error
        }
    }
}
