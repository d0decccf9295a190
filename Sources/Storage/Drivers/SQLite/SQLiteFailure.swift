import GRDB

/// What an error of SQLite's means to us.
enum SQLiteFailure {
    /// - Parameter control: of the statement that failed.
    static func translate(_ error: any Error, database: String, control: StatementControl? = nil) -> any Error {
        guard let error = error as? GRDB.DatabaseError else { return error }
        let message = "\(database): \(error.message ?? String(describing: error.resultCode))"
        switch error.resultCode {
        case .SQLITE_INTERRUPT:
            if control?.isCancelled == true { return CancellationError() }
            return DatabaseError(.statementTimeout, "\(database): the statement took too long, and was stopped")
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            if control?.isCancelled == true { return CancellationError() }
            return DatabaseError(.transactionConflict, message, cause: error)
        case .SQLITE_CONSTRAINT: return DatabaseError(constraint(error.extendedResultCode), message, cause: error)
        case .SQLITE_TOOBIG, .SQLITE_MISMATCH, .SQLITE_RANGE:
            return DatabaseError(.invalidValue, message, cause: error)
        case .SQLITE_FULL, .SQLITE_IOERR, .SQLITE_CANTOPEN, .SQLITE_CORRUPT, .SQLITE_NOTADB, .SQLITE_READONLY,
            .SQLITE_PERM, .SQLITE_NOMEM, .SQLITE_PROTOCOL:
            // A write that failed half-way may be in the WAL or not.
            return DatabaseError(
                .databaseUnavailable, message, cause: error, isFateUnknown: error.resultCode == .SQLITE_IOERR)
        default: return DatabaseError(.invalidStatement, message, cause: error)
        }
    }

    private static func constraint(_ code: ResultCode) -> DatabaseError.Code {
        switch code {
        case .SQLITE_CONSTRAINT_UNIQUE, .SQLITE_CONSTRAINT_PRIMARYKEY, .SQLITE_CONSTRAINT_ROWID: .uniqueViolation
        case .SQLITE_CONSTRAINT_FOREIGNKEY: .foreignKeyViolation
        case .SQLITE_CONSTRAINT_NOTNULL: .notNullViolation
        case .SQLITE_CONSTRAINT_CHECK: .checkViolation
        default: .invalidStatement
        }
    }
}
