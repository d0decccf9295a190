extension DockerClient {
    /// Makes a container. Nothing runs yet.
    /// - Throws: ``DockerError``; 404 for an absent image, 409 for a name in use.
    ///
    /// Maps to `POST /containers/create`.
    public func createContainer(name: String, _ spec: ContainerSpec) async throws -> ContainerCreated {
        let body = try EngineJSON.encode(spec)
        return try await fetch(
            request("POST", "/containers/create", query: [("name", name)], body: .json(body), wait: .work()))
    }

    /// Maps to `GET /containers/{id}/json`.
    public func inspectContainer(_ id: String) async throws -> ContainerDetails {
        try await fetch(request("GET", "/containers/\(id.percentEncoded)/json", wait: .answer))
    }

    /// - Parameter all: also those that do not run.
    ///
    /// Maps to `GET /containers/json`.
    public func listContainers(all: Bool = true, filters: Filters = [:]) async throws -> [ContainerSummary] {
        try await fetch(
            request(
                "GET", "/containers/json", query: [("all", all ? "true" : nil), ("filters", filters.query)],
                wait: .answer))
    }

    /// Starts a container that is not running; one that runs already is no error.
    ///
    /// Maps to `POST /containers/{id}/start`.
    public func startContainer(_ id: String) async throws {
        try await perform(request("POST", "/containers/\(id.percentEncoded)/start", wait: .work()))
    }

    /// Sends the stop signal, and SIGKILL when `timeoutSeconds` have passed.
    ///
    /// Maps to `POST /containers/{id}/stop`.
    public func stopContainer(_ id: String, timeoutSeconds: Int) async throws {
        try await perform(
            request(
                "POST", "/containers/\(id.percentEncoded)/stop", query: [("t", String(timeoutSeconds))],
                wait: .work(extra: .seconds(timeoutSeconds))))
    }

    /// Sends a signal to the container's first process.
    /// - Parameter signal: `SIGTERM`, `SIGKILL` and so on.
    /// - Throws: ``DockerError``; 409 when it does not run.
    ///
    /// Maps to `POST /containers/{id}/kill`.
    public func killContainer(_ id: String, signal: String) async throws {
        try await perform(
            request("POST", "/containers/\(id.percentEncoded)/kill", query: [("signal", signal)], wait: .work()))
    }

    /// Changes the limits of a container, also while it runs.
    ///
    /// Maps to `POST /containers/{id}/update`.
    public func updateContainer(_ id: String, _ update: ContainerUpdate) async throws {
        let body = try EngineJSON.encode(update)
        try await perform(
            request("POST", "/containers/\(id.percentEncoded)/update", body: .json(body), wait: .work()))
    }

    /// One reading of a container's use of memory, CPU and processes.
    ///
    /// Maps to `GET /containers/{id}/stats?stream=false&one-shot=true`.
    public func containerStats(_ id: String) async throws -> ContainerStats {
        try await fetch(
            request(
                "GET", "/containers/\(id.percentEncoded)/stats", query: [("stream", "false"), ("one-shot", "true")],
                wait: .answer))
    }

    /// Removes a container and its anonymous volumes.
    /// - Parameter force: kill it first if it runs.
    ///
    /// Maps to `DELETE /containers/{id}?v=true`.
    public func removeContainer(_ id: String, force: Bool = false) async throws {
        try await perform(
            request(
                "DELETE", "/containers/\(id.percentEncoded)", query: [("v", "true"), ("force", force ? "true" : nil)],
                wait: .work()))
    }
}
