import ArgumentParser
import Entitlements
import Foundation
import Storage

/// What the commands that administer do their work with: the repositories, straight on the database.
struct Administration: Sendable {
    /// Who the audit trail says it was.
    static let actor = "cli"

    let database: Database
    let agents = AgentRepository()
    let users = UserRepository()
    let grants = GrantRepository()
    let keys = APIKeyRepository()
    let ledger = Ledger()
    let gate = Gate()

    /// Opens the database, and closes it when the body is done.
    static func with<Result>(_ body: (Administration) async throws -> Result) async throws -> Result {
        try await LocalDatabase.with { try await body(Administration(database: $0)) }
    }

    /// One transaction.
    func write<Result: Sendable>(_ body: (Transaction) async throws -> Result) async throws -> Result {
        try await database.transaction(isolation: .readCommitted) { try await body($0) }
    }

    /// Every page of a list.
    func all<Element: Sendable>(
        _ page: (_ cursor: String?, Database) async throws -> Page<Element>
    ) async throws -> [Element] {
        var elements: [Element] = []
        var cursor: String?
        repeat {
            let next = try await page(cursor, database)
            elements += next.elements
            cursor = next.nextCursor
        } while cursor != nil
        return elements
    }

    func agent(_ id: String, isDeletedToo: Bool = false) async throws -> Agent {
        guard let agent = try await agents.find(id, isDeletedToo: isDeletedToo, in: database) else {
            throw Failure("there is no agent \(id)")
        }
        return agent
    }

    func user(_ id: String) async throws -> User {
        guard let user = try await users.find(id, in: database) else { throw Failure("there is no user \(id)") }
        return user
    }

    func access(of id: String) async throws -> Access {
        guard let access = try await users.access(of: id, in: database) else { throw Failure("there is no user \(id)") }
        return access
    }
}

/// How a list is printed.
struct AccessOutput: ParsableArguments {
    @Option(help: "How: table or json.")
    var format = OutputFormat.table

    func write(_ values: some Encodable, _ table: () -> Table) throws {
        switch format {
        case .json: try Output.json(values)
        case .table: try Output.write(table().text)
        }
    }
}

/// A time as an option: RFC 3339, or a day, which is its midnight UTC.
struct TimeOption: ExpressibleByArgument {
    let date: Date

    init?(argument: String) {
        let text = argument.count == 10 ? argument + "T00:00:00Z" : argument
        guard let date = try? Date(text, strategy: .iso8601) else { return nil }
        self.date = date
    }
}

/// A number, or `none` for the tier's or no limit.
struct OptionalNumber: ExpressibleByArgument {
    let value: Int?

    init?(argument: String) {
        if argument == "none" {
            value = nil
        } else {
            guard let number = Int(argument) else { return nil }
            value = number
        }
    }

    var field: AccessChange.Field<Int> { .set(value) }
}
