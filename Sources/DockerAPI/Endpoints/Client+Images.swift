#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

extension DockerClient {
    /// Maps to `GET /images/{name}/json`.
    public func inspectImage(_ reference: String) async throws -> ImageDetails {
        try await fetch(request("GET", "/images/\(reference.percentEncoded)/json", wait: .answer))
    }

    /// Maps to `GET /images/json`.
    public func listImages(filters: Filters = [:]) async throws -> [ImageSummary] {
        try await fetch(request("GET", "/images/json", query: [("filters", filters.query)], wait: .answer))
    }

    /// Pulls one image. The stream must be read to its end: a failure is reported inside it, and thrown there.
    /// - Parameters:
    ///   - name: the image without tag or digest.
    ///   - tag: a tag or a digest; without one the Engine would pull every tag, so one is required.
    ///
    /// Maps to `POST /images/create`.
    public func pullImage(
        _ name: String, tag: String, credentials: RegistryCredentials? = nil
    ) async throws -> ProgressStream {
        var request = request(
            "POST", "/images/create", query: [("fromImage", name), ("tag", tag)], wait: .progress)
        if let credentials {
            request.headers.append(("X-Registry-Auth", try credentials.header()))
        }
        return ProgressStream(lines: JSONLines(bytes: try await send(request).body, operation: request.operation))
    }

    /// Builds an image from a tar archive that holds a `Dockerfile`, with the classic builder.
    /// - Parameters:
    ///   - archive: path of the tar file.
    ///   - labels: labels of the image.
    ///   - network: `none` for a build that needs no network; nil for the Engine's default.
    ///
    /// Maps to `POST /build`.
    public func buildImage(
        archive: String, tag: String, labels: [String: String] = [:], network: String? = nil
    ) async throws -> ProgressStream {
        let labels = labels.isEmpty ? nil : try EngineJSON.encodePlain(labels)
        let request = request(
            "POST", "/build",
            query: [
                ("t", tag), ("version", "1"), ("rm", "1"), ("forcerm", "1"), ("networkmode", network),
                ("labels", labels),
            ],
            body: .file(path: archive, contentType: "application/x-tar"), wait: .progress)
        return ProgressStream(lines: JSONLines(bytes: try await send(request).body, operation: request.operation))
    }

    /// Loads images from a docker-archive.
    ///
    /// Maps to `POST /images/load`.
    public func loadImages(archive: String) async throws -> ProgressStream {
        let request = request(
            "POST", "/images/load", body: .file(path: archive, contentType: "application/x-tar"), wait: .progress)
        return ProgressStream(lines: JSONLines(bytes: try await send(request).body, operation: request.operation))
    }

    /// Maps to `POST /images/{name}/tag`.
    public func tagImage(_ reference: String, repository: String, tag: String) async throws {
        try await perform(
            request(
                "POST", "/images/\(reference.percentEncoded)/tag", query: [("repo", repository), ("tag", tag)],
                wait: .answer))
    }

    /// Removes an image, or one name of it.
    /// - Throws: ``DockerError``; 409 when a container uses it.
    ///
    /// Maps to `DELETE /images/{name}`.
    public func removeImage(_ reference: String, force: Bool = false) async throws {
        try await perform(
            request(
                "DELETE", "/images/\(reference.percentEncoded)", query: [("force", force ? "true" : nil)],
                wait: .work()))
    }
}

/// A user's name and password for a registry.
public struct RegistryCredentials: Sendable {
    public var username: String
    public var password: String
    /// The registry's address, such as `127.0.0.1:5000`.
    public var serverAddress: String

    public init(username: String, password: String, serverAddress: String) {
        self.username = username
        self.password = password
        self.serverAddress = serverAddress
    }

    /// base64url of the JSON that the Engine expects in `X-Registry-Auth`.
    func header() throws -> String {
        let fields = ["username": username, "password": password, "serveraddress": serverAddress]
        return Data(try EngineJSON.encodePlain(fields).utf8).base64EncodedString()
            .replacing("+", with: "-").replacing("/", with: "_")
    }
}
