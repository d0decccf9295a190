extension PostgresConnection {
    /// What a statement gave, and the server's word for it.
    struct Completion {
        var outcome = Outcome()
        var tag = ""
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
            _ = try await complete(&patience)
            prepared.remember(text, as: name)
            try sendPrepared(name, binds)
        }
        return try await complete(&patience)
    }

    /// Takes all answers to what was sent.
    private func complete(_ patience: inout Patience) async throws -> Completion {
        try await flush(&patience)
        var completion = Completion()
        var failure: DatabaseError?
        while let answer = try await next(&patience) {
            switch answer {
            case .rows(let rows, let changes):
                completion.outcome.rows += rows
                completion.outcome.changes = changes
            case .done(let tag, let changes):
                completion.tag = tag
                completion.outcome.changes = changes
            // What comes after the first one is its consequence.
            case .failed(let error): failure = failure ?? error
            }
        }
        if let failure { throw failure }
        return completion
    }
}
