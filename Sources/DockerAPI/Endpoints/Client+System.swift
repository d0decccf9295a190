extension DockerClient {
    /// Asks whether the Engine answers, and which API version it speaks at most.
    ///
    /// Maps to `GET /_ping`.
    public func ping() async throws -> APIVersion {
        var request = request("GET", "/_ping", wait: .answer)
        request.target = "/_ping"
        let response = try await send(request)
        _ = try await response.body.collect(upTo: 1024, operation: request.operation)
        guard let version = response.head["api-version"].flatMap(APIVersion.init) else {
            throw DockerError(.malformedResponse, "the answer names no Api-Version", operation: request.operation)
        }
        return version
    }

    /// The Engine's version and that of its parts.
    ///
    /// Maps to `GET /version`.
    public func engineVersion() async throws -> EngineVersion {
        try await fetch(request("GET", "/version", wait: .answer))
    }

    /// The host: its cgroup version, runtimes, storage.
    ///
    /// Maps to `GET /info`.
    public func info() async throws -> EngineInfo {
        try await fetch(request("GET", "/info", wait: .answer))
    }

    /// What happens on the Engine, from `since` on and then live. Events are hints: inspect is the truth.
    /// - Parameter since: Unix time in seconds, fractions allowed; nil for from now on.
    ///
    /// Maps to `GET /events`.
    public func events(since: String? = nil, filters: Filters = [:]) async throws -> JSONLines<EngineEvent> {
        let request = request("GET", "/events", query: [("since", since), ("filters", filters.query)], wait: .stream)
        return JSONLines(bytes: try await send(request).body, operation: request.operation)
    }
}

/// What a list is narrowed to: `["label": ["a=b"]]`.
public typealias Filters = [String: [String]]

extension Filters {
    /// The query's value; nil for none.
    var query: String? {
        guard !isEmpty, let json = try? EngineJSON.encodePlain(self) else { return nil }
        return json
    }
}
