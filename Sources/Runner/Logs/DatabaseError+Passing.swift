import Storage

extension DatabaseError {
    /// Whether the same can go well later.
    var mayPass: Bool {
        [.databaseUnavailable, .databaseBusy, .commitUnknown, .transactionConflict, .statementTimeout].contains(code)
    }
}
