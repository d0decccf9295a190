extension PostgresConnection {
    /// What a statement gave, and the server's word for it.
    struct Completion {
        var outcome = Outcome()
        var tag = ""
    }

    /// How a statement has ended, on a connection that can go on.
    private enum Ending {
        case done(Completion)
        case failed(DatabaseError)
        /// One before it has failed.
        case skipped
    }

    /// Runs a statement to its end. After an error that came from the server the connection can go on; see
    /// ``isOpen``.
    func run(_ statement: Statement, _ patience: inout Patience) async throws -> Completion {
        try await run(statement.text, binds: statement.binds, &patience)
    }

    func run(_ text: String, binds: [Statement.Bind] = [], _ patience: inout Patience) async throws -> Completion {
        switch prepared.choose(text, binds) {
        case .plain: try send(text, binds)
        case .prepared(let name): try sendPrepared(name, binds)
        case .prepare(let name):
            try sendPrepare(text, binds, name: name)
            try await flush(&patience)
            _ = try await completion(&patience)
            prepared.remember(text, binds, as: name)
            try sendPrepared(name, binds)
        }
        try await flush(&patience)
        return try await completion(&patience)
    }

    /// Runs statements in one trip to the server, one after the other, up to the first that fails: its error is thrown.
    /// - Returns: what the last one gave.
    func run(_ statements: [Statement], _ patience: inout Patience) async throws -> Completion {
        guard statements.count != 1 else { return try await run(statements[0], &patience) }
        try beginTogether()
        let names = try statements.map(sendTogether)
        try endTogether()
        try await flush(&patience)
        var last = Completion()
        var failure: (any Error)?
        for (index, (statement, name)) in zip(statements, names).enumerated() {
            if let name {
                switch try await ending(&patience) {
                case .done: prepared.remember(statement.text, statement.binds, as: name)
                case .failed(let error): failure = error.of(statement)
                case .skipped: break
                }
            }
            switch try await ending(&patience, wantsRows: index == statements.count - 1) {
            case .done(let completion): last = completion
            case .failed(let error): failure = error.of(statement)
            // What was not run must not be taken for done.
            case .skipped: if failure == nil { throw outOfStep }
            }
        }
        guard case .together? = try await next(&patience) else { throw outOfStep }
        try leaveTogether()
        if let failure { throw failure }
        return last
    }

    /// - Returns: the name that it is prepared under first, with an answer of its own.
    private func sendTogether(_ statement: Statement) throws -> String? {
        switch prepared.choose(statement.text, statement.binds) {
        case .plain: try send(statement.text, statement.binds)
        case .prepared(let name): try sendPrepared(name, statement.binds)
        case .prepare(let name):
            try sendPrepare(statement.text, statement.binds, name: name)
            try sendPrepared(name, statement.binds)
            return name
        }
        return nil
    }

    private func completion(_ patience: inout Patience) async throws -> Completion {
        switch try await ending(&patience) {
        case .done(let completion): return completion
        case .failed(let error): throw error
        case .skipped: throw outOfStep
        }
    }

    /// Takes all answers to one statement.
    /// - Parameter wantsRows: false to drop them.
    /// - Throws: what ends the connection too.
    private func ending(_ patience: inout Patience, wantsRows: Bool = true) async throws -> Ending {
        var ending = Ending.done(Completion())
        while let answer = try await next(&patience, wantsRows: wantsRows) {
            switch (answer, ending) {
            case (.rows(let rows, let changes), .done(var completion)):
                completion.outcome.rows += rows
                completion.outcome.changes = changes
                ending = .done(completion)
            case (.done(let tag, let changes), .done(var completion)):
                completion.tag = tag
                completion.outcome.changes = changes
                ending = .done(completion)
            case (.failed(let error), .done):
                guard isOpen, !error.isFateUnknown else { throw error }
                ending = .failed(error)
            case (.skipped, _): ending = .skipped
            case (.together, _): throw outOfStep
            // What comes after the first error is its consequence.
            case (_, .failed), (_, .skipped): break
            }
        }
        return ending
    }
}
