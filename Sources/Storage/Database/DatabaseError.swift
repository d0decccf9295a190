/// What went wrong with the database. No description holds a password or a bound value.
public struct DatabaseError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure, by its name in logs and problem documents. More kinds may come.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Base: String {
            case databaseUnavailable = "database_unavailable"
            case databaseClosed = "database_closed"
            case databaseBusy = "database_busy"
            case commitUnknown = "commit_unknown"
            case transactionConflict = "transaction_conflict"
            case transactionFailed = "transaction_failed"
            case statementTimeout = "statement_timeout"
            case uniqueViolation = "unique_violation"
            case foreignKeyViolation = "foreign_key_violation"
            case notNullViolation = "not_null_violation"
            case checkViolation = "check_violation"
            case invalidStatement = "invalid_statement"
            case invalidValue = "invalid_value"
            case decodingFailed = "decoding_failed"
            case migrationRefused = "migration_refused"
            case invalidURL = "invalid_database_url"
        }

        private let base: Base

        /// The database is away, or it cannot go on: nothing was written.
        public static let databaseUnavailable = Code(base: .databaseUnavailable)
        /// The program has closed it: nothing was written, and nothing more will be.
        public static let databaseClosed = Code(base: .databaseClosed)
        /// All connections stayed in use until the deadline: nothing was written.
        public static let databaseBusy = Code(base: .databaseBusy)
        /// The database went away between a commit and its answer: it is written whole, or not at all.
        public static let commitUnknown = Code(base: .commitUnknown)
        /// Other transactions were in the way each time that it was tried: nothing was written.
        public static let transactionConflict = Code(base: .transactionConflict)
        /// The transaction was used after it had ended, or after one of its statements had failed.
        public static let transactionFailed = Code(base: .transactionFailed)
        /// The statement took longer than ``Database/Configuration/statementTimeout``, and was stopped.
        public static let statementTimeout = Code(base: .statementTimeout)
        /// A row with that unique or primary key is there already.
        public static let uniqueViolation = Code(base: .uniqueViolation)
        /// The row that is referred to is not there, or rows refer to the one that is removed.
        public static let foreignKeyViolation = Code(base: .foreignKeyViolation)
        /// A column that must have a value got none.
        public static let notNullViolation = Code(base: .notNullViolation)
        /// A `CHECK` does not hold.
        public static let checkViolation = Code(base: .checkViolation)
        /// The database does not understand the statement: an error in Paddock.
        public static let invalidStatement = Code(base: .invalidStatement)
        /// A value that cannot be stored.
        public static let invalidValue = Code(base: .invalidValue)
        /// A row does not hold what was asked of it.
        public static let decodingFailed = Code(base: .decodingFailed)
        /// The database's migrations are not ours.
        public static let migrationRefused = Code(base: .migrationRefused)
        /// `DATABASE_URL` names no database that we know.
        public static let invalidURL = Code(base: .invalidURL)

        public var description: String { base.rawValue }
    }

    public let code: Code
    /// What was tried, what was wrong and, where that is known, what to do.
    public let message: String
    /// What lies behind it.
    public let cause: (any Error)?
    /// Whether the connection ended while the statement was under way, so that its fate is not known.
    let isFateUnknown: Bool

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.init(code, message, cause: cause, isFateUnknown: false)
    }

    init(_ code: Code, _ message: String, cause: (any Error)? = nil, isFateUnknown: Bool) {
        self.code = code
        self.message = message
        self.cause = cause
        self.isFateUnknown = isFateUnknown
    }

    public var description: String { "\(code): \(message)" }

    /// The same when what was under way was a commit.
    var ofCommit: DatabaseError {
        guard isFateUnknown else { return self }
        return DatabaseError(
            .commitUnknown,
            "the database went away before it confirmed the commit, so look whether it is written: \(message)",
            cause: self)
    }
}

extension Error {
    /// The same, of one of several statements that were sent together: it says which.
    func of(_ statement: Statement) -> any Error {
        guard let error = self as? DatabaseError else { return self }
        return DatabaseError(
            error.code, "\(statement.beginning) …: \(error.message)", cause: error.cause,
            isFateUnknown: error.isFateUnknown)
    }
}
