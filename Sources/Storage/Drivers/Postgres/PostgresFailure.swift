/// What an SQLSTATE of PostgreSQL's means to us (PostgreSQL's documentation, Appendix A).
enum PostgresFailure {
    static func error(state: String, message: String, database: String) -> DatabaseError {
        let code = code(state)
        // A message of class 22 may quote the value.
        let shown = state.hasPrefix("22") ? "a value does not fit" : message
        return DatabaseError(
            code, "\(database): \(shown) (SQLSTATE \(state))", isFateUnknown: isFateUnknown(state))
    }

    private static func code(_ state: String) -> DatabaseError.Code {
        switch state {
        case "23505": return .uniqueViolation
        case "23503": return .foreignKeyViolation
        case "23502": return .notNullViolation
        case "23514": return .checkViolation
        // Serialization failure, deadlock.
        case "40001", "40P01": return .transactionConflict
        // Canceled by statement_timeout, or by an administrator.
        case "57014": return .statementTimeout
        // A standby, after a failover.
        case "25006": return .databaseUnavailable
        // The transaction was idle for too long, and its connection closed.
        case "25P03": return .databaseUnavailable
        default: break
        }
        switch state.prefix(2) {
        // Connection, authorization, resources, operator intervention, system error, corruption.
        case "08", "28", "53", "57", "58", "XX": return .databaseUnavailable
        // Data, program limits.
        case "22", "54": return .invalidValue
        default: return .invalidStatement
        }
    }

    /// Whether a commit that was answered so may have happened: a server that shuts down can say so after it has
    /// written the commit.
    private static func isFateUnknown(_ state: String) -> Bool {
        state.hasPrefix("08") || state.hasPrefix("57P") || state == "40003"
    }
}
