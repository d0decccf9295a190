import Storage

extension Error {
    /// Whether it is the database's, and the same can go well later; or the task was cancelled.
    var mayPass: Bool { (self as? DatabaseError)?.mayPass ?? (self is CancellationError) }
}

extension DatabaseError {
    /// Whether the same can go well later.
    var mayPass: Bool {
        [.databaseUnavailable, .databaseBusy, .commitUnknown, .transactionConflict, .statementTimeout].contains(code)
    }
}
