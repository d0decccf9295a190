import Metrics

/// The measuring points of the database.
enum DatabaseMetrics {
    static func waited(_ duration: Duration) {
        Timer(label: "paddock.database.acquire.duration").record(duration: duration)
    }

    static func leased() { Meter(label: "paddock.database.connections.used").increment() }

    static func released() { Meter(label: "paddock.database.connections.used").decrement() }

    static func retried() { Counter(label: "paddock.database.retries").increment() }

    static func failed(_ error: any Error) {
        guard let error = error as? DatabaseError else { return }
        Counter(label: "paddock.database.errors", dimensions: [("kind", error.code.description)]).increment()
    }
}

extension Database {
    /// A connection for one user, to be given back with ``release(_:)``.
    func acquire(
        _ access: Access, isUrgent: Bool = false, until deadline: ContinuousClock.Instant
    ) async throws -> any Session {
        let begin = ContinuousClock.now
        defer { DatabaseMetrics.waited(begin.duration(to: .now)) }
        let session = try await driver.acquire(access, isUrgent: isUrgent, until: deadline)
        DatabaseMetrics.leased()
        return session
    }

    func release(_ session: any Session) {
        driver.release(session)
        DatabaseMetrics.released()
    }
}
