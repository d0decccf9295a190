/// What a driver sends: text with numbered placeholders, and their values in that order.
struct Statement: Sendable {
    struct Bind: Sendable {
        /// Also tells the type of a NULL.
        let type: SQLType
        let value: SQLValue
    }

    /// SQLite's limit, SQLITE_MAX_VARIABLE_NUMBER; PostgreSQL's is 65,535.
    private static let mostBinds = 32_766

    let text: String
    let binds: [Bind]

    /// A command without values.
    init(command: StaticString) {
        text = command.description
        binds = []
    }

    /// - Throws: ``DatabaseError`` when a value cannot be stored, or there are too many.
    init(_ sql: SQL, for dialect: Dialect) throws {
        var text = ""
        var binds: [Bind] = []
        for part in sql.parts {
            switch part {
            case .text(let literal): text += literal.description
            case .word(let word): text += dialect.spelling(of: word)
            case .bind(let value):
                let converted = try value.sqlValue()
                try Self.check(converted)
                binds.append(Bind(type: type(of: value).sqlType, value: converted))
                text += "\(dialect.placeholder)\(binds.count)"
            }
        }
        guard binds.count <= Self.mostBinds else {
            throw DatabaseError(
                .invalidStatement,
                "the statement has \(binds.count) values, and \(Self.mostBinds) is the most: split it")
        }
        self.text = text
        self.binds = binds
    }

    /// What one of the two databases does not keep, neither gets.
    private static func check(_ value: SQLValue) throws {
        switch value {
        case .text(let text) where text.utf8.contains(0):
            throw DatabaseError(.invalidValue, "a text with U+0000 cannot be stored: store bytes")
        case .real(let number) where number.isNaN:
            throw DatabaseError(.invalidValue, "a number that is NaN cannot be stored: store NULL")
        default: break
        }
    }

    /// Its first words, for messages. They come from a literal.
    var beginning: String { text.split(maxSplits: 3, whereSeparator: \.isWhitespace).prefix(3).joined(separator: " ") }

    /// Whether the statement can only read: a doubt is a no.
    var onlyReads: Bool {
        text.drop(while: \.isWhitespace).prefix(7).lowercased().trimmingSuffix(while: \.isWhitespace) == "select"
    }
}

extension StringProtocol {
    fileprivate func trimmingSuffix(while predicate: (Character) -> Bool) -> SubSequence {
        var end = endIndex
        while end > startIndex, predicate(self[index(before: end)]) { end = index(before: end) }
        return self[startIndex..<end]
    }
}
