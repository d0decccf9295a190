extension DockerClient {
    /// Attaches to a container's stdin, stdout and stderr. Do it before start, and nothing is missed.
    ///
    /// Maps to `POST /containers/{id}/attach?stream=1&stdin=1&stdout=1&stderr=1`, hijacked.
    public func attach(_ id: String) async throws -> AttachedContainer {
        let request = request(
            "POST", "/containers/\(id.percentEncoded)/attach",
            query: [("stream", "1"), ("stdin", "1"), ("stdout", "1"), ("stderr", "1")], wait: .stream)
        let (response, connection) = try await transport.hijack(request)
        try await check(response, request.operation)
        return AttachedContainer(
            connection: connection, output: LogFrames(bytes: response.body, operation: request.operation))
    }

    /// Attaches to a container's stdout and stderr only.
    ///
    /// Maps to `POST /containers/{id}/attach?stream=1&stdout=1&stderr=1`.
    public func attachOutput(_ id: String) async throws -> LogFrames {
        let request = request(
            "POST", "/containers/\(id.percentEncoded)/attach",
            query: [("stream", "1"), ("stdout", "1"), ("stderr", "1")], wait: .stream)
        return LogFrames(bytes: try await send(request).body, operation: request.operation)
    }

    /// What the Engine's log driver has kept of a container's output.
    /// - Parameters:
    ///   - follow: go on with what comes.
    ///   - since: Unix time in seconds, fractions allowed, inclusive.
    ///   - timestamps: an RFC 3339 time and a space before each line or 16 KiB part of one.
    ///   - tail: only the last lines.
    ///
    /// Maps to `GET /containers/{id}/logs`.
    public func containerLogs(
        _ id: String, follow: Bool = false, since: String? = nil, timestamps: Bool = false, tail: Int? = nil
    ) async throws -> LogFrames {
        let request = request(
            "GET", "/containers/\(id.percentEncoded)/logs",
            query: [
                ("stdout", "1"), ("stderr", "1"), ("follow", follow ? "1" : nil), ("since", since),
                ("timestamps", timestamps ? "1" : nil), ("tail", tail.map { String($0) }),
            ], wait: .stream)
        return LogFrames(bytes: try await send(request).body, operation: request.operation)
    }

    /// When ``waitContainer(_:until:)`` answers.
    public enum WaitCondition: String, Sendable {
        case notRunning = "not-running"
        case nextExit = "next-exit"
        case removed
    }

    /// Begins to wait for a container's end. When this returns, the Engine is watching: start it then.
    ///
    /// Maps to `POST /containers/{id}/wait`.
    public func waitContainer(_ id: String, until condition: WaitCondition) async throws -> PendingExit {
        let request = request(
            "POST", "/containers/\(id.percentEncoded)/wait", query: [("condition", condition.rawValue)], wait: .stream)
        return PendingExit(body: try await send(request).body, operation: request.operation)
    }

    /// A file or folder of a container as a tar archive.
    ///
    /// Maps to `GET /containers/{id}/archive`.
    public func containerArchive(_ id: String, path: String) async throws -> ByteStream {
        try await send(
            request("GET", "/containers/\(id.percentEncoded)/archive", query: [("path", path)], wait: .progress)
        ).body
    }
}

/// A container's end that the Engine will report.
public struct PendingExit: Sendable {
    let body: ByteStream
    let operation: String

    /// Waits for it. May be called once; cancel the task to wait no longer.
    public func value() async throws -> ContainerExit {
        try EngineJSON.decode(try await body.collect(upTo: 1 << 20, operation: operation), operation: operation)
    }
}
