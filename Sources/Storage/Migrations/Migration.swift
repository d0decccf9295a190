import Crypto

/// One numbered step of the schema. Once released it is never changed: the next step changes the schema.
struct Migration: Sendable {
    let number: Int
    let name: String
    let statements: [SQL]
    /// After the others, on PostgreSQL only: for what SQLite has no like of.
    let postgresStatements: [SQL]

    init(_ number: Int, _ name: String, _ statements: [SQL], onPostgres postgresStatements: [SQL] = []) {
        self.number = number
        self.name = name
        self.statements = statements
        self.postgresStatements = postgresStatements
    }

    /// SHA-256 of the statements, in hexadecimal: the same on both databases, and a change of a space shows.
    var checksum: String {
        var hash = SHA256()
        for statement in statements + postgresStatements {
            for part in statement.parts {
                switch part {
                case .text(let text): hash.update(data: text.description.utf8Bytes)
                case .word(let word): hash.update(data: "\\(\(word.rawValue))".utf8Bytes)
                // A migration has none: see ``Migrator``.
                case .bind: hash.update(data: [0])
                }
            }
            hash.update(data: [0])
        }
        return hash.finalize().map { byte in
            let digits = String(byte, radix: 16)
            return byte < 16 ? "0" + digits : digits
        }.joined()
    }
}

extension String {
    fileprivate var utf8Bytes: [UInt8] { Array(utf8) }
}
