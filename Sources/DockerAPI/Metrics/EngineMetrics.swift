import Metrics

/// The measuring points of calls to the Engine.
enum EngineMetrics {
    private static let literals: Set<Substring> = ["create", "json", "load", "prune"]

    /// - Parameter operation: a method and a path, such as `POST /containers/ID/start`.
    static func answered(_ operation: String, in duration: Duration) {
        Timer(label: "paddock.engine.call.duration", dimensions: [("call", template(of: operation))])
            .record(duration: duration)
    }

    /// - Parameter kind: a status, or a ``DockerError/Code``.
    static func failed(_ operation: String, _ kind: String) {
        Counter(label: "paddock.engine.errors", dimensions: [("call", template(of: operation)), ("kind", kind)])
            .increment()
    }

    /// The operation without what it is about: `POST /containers/{id}/start`.
    static func template(of operation: String) -> String {
        var parts = operation.split(separator: "/", omittingEmptySubsequences: false)
        // "METHOD ", the kind of thing, and the thing.
        if parts.count > 2, !literals.contains(parts[2]) { parts[2] = "{id}" }
        return parts.joined(separator: "/")
    }
}
