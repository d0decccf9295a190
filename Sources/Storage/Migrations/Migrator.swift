import Foundation

/// Brings a database's schema up to date.
struct Migrator: Sendable {
    /// A migration may rebuild a large table.
    private static let timeout: Duration = .seconds(600)

    private struct Applied {
        let number: Int
        let name: String
        let checksum: String
    }

    let database: Database
    let migrations: [Migration]

    /// Applies what is missing, one transaction a migration; when another node does the same, one waits for the other.
    /// - Returns: how many were applied.
    func run() async throws -> Int {
        var count = 0
        while try await applyNext() { count += 1 }
        return count
    }

    /// - Returns: false when there was none.
    private func applyNext() async throws -> Bool {
        // Each statement must see what the node before has committed while this one waited for the lock.
        try await database.transaction(
            isolation: .readCommitted, statementTimeout: Self.timeout, acquireTimeout: Self.timeout
        ) { transaction in
            try transaction.lockMigrations()
            try await transaction.execute(
                """
                CREATE TABLE IF NOT EXISTS paddock_migrations (
                    number BIGINT NOT NULL PRIMARY KEY,
                    name \(.text) NOT NULL,
                    checksum \(.text) NOT NULL,
                    applied_at BIGINT NOT NULL
                )
                """)
            let rows = try await transaction.query(
                "SELECT number, name, checksum FROM paddock_migrations ORDER BY number")
            let applied = try rows.map {
                Applied(number: try $0["number"], name: try $0["name"], checksum: try $0["checksum"])
            }
            try check(applied)
            guard applied.count < migrations.count else { return false }
            let next = migrations[applied.count]
            for statement in next.statements { try await transaction.execute(statement) }
            switch database.driver.dialect {
            case .sqlite: break
            case .postgres: for statement in next.postgresStatements { try await transaction.execute(statement) }
            }
            try await transaction.execute(
                """
                INSERT INTO paddock_migrations (number, name, checksum, applied_at)
                VALUES (\(next.number), \(next.name), \(next.checksum), \(Date()))
                """)
            return true
        }
    }

    /// What was applied must be the beginning of what we have.
    private func check(_ applied: [Applied]) throws {
        if applied.count > migrations.count {
            let newest = applied[applied.count - 1]
            throw refused(
                "its schema is at \(newest.number) (\(newest.name)), and this paddock knows it up to \(migrations.count). "
                    + "Use the newer paddock that made it, or another DATABASE_URL")
        }
        for (theirs, ours) in zip(applied, migrations) {
            guard theirs.number == ours.number, theirs.checksum == ours.checksum else {
                throw refused(
                    "its migration \(theirs.number) (\(theirs.name)) is not this paddock's \(ours.number) (\(ours.name)). "
                        + "It was made by another build: use that one, or another DATABASE_URL")
            }
        }
    }

    private func refused(_ reason: String) -> DatabaseError {
        DatabaseError(.migrationRefused, "the database cannot be used: \(reason)")
    }
}

extension Database {
    /// Brings the schema up to date. Every node calls it when it starts.
    ///
    /// Forward only. Each migration is a transaction: one that fails leaves the schema as it was before it.
    /// - Returns: how many migrations were applied.
    /// - Throws: ``DatabaseError``, with code `migration_refused` when the schema is newer than this program, or not ours.
    @discardableResult
    public func migrate() async throws -> Int {
        try await Migrator(database: self, migrations: Schema.migrations).run()
    }
}
