import DockerAPI

/// What an image says about how to run it.
public struct AgentImage: Sendable {
    /// `sha256:…`.
    public let id: String
    /// The name it was asked for by.
    public let reference: String
    public let entrypoint: [String]
    public let arguments: [String]
    public let environment: [String]
    public let workingDirectory: String
    public let volumes: [String]
    /// Bytes.
    public let size: Int64
    /// Who the image would run as; here every sandbox has a user of its own.
    public let user: String
    /// `NAME@sha256:…` in the registries that it was pulled from or pushed to; empty for one that was built here.
    let repositoryDigests: [String]

    init(_ details: ImageDetails, reference: String) {
        id = details.id
        self.reference = reference
        size = details.size
        repositoryDigests = details.repoDigests ?? []
        user = details.config?.user ?? ""
        entrypoint = details.config?.entrypoint ?? []
        arguments = details.config?.cmd ?? []
        environment = details.config?.env ?? []
        let directory = details.config?.workingDir ?? ""
        workingDirectory = directory.isEmpty ? "/" : directory
        volumes = Set((details.config?.volumes ?? [:]).keys.map(Self.normalized)).sorted()
    }

    /// `/a//b/./` is `/a/b`. What climbs with `..` stays as it is and is refused later.
    private static func normalized(_ path: String) -> String {
        let parts = path.split(separator: "/").filter { $0 != "." }
        return (path.hasPrefix("/") ? "/" : "") + parts.joined(separator: "/")
    }

    /// Program and arguments: as with Docker, given arguments take the place of the image's own.
    /// - Parameter command: an agent.yaml's `command`, in place of the image's entrypoint and arguments.
    /// - Throws: ``ImageError`` when nothing is left to run.
    public func command(overriddenBy command: [String]?, arguments given: [String]) throws -> [String] {
        let program = command ?? entrypoint
        let rest = given.isEmpty && command == nil ? arguments : given
        guard let first = (program + rest).first, !first.isEmpty else {
            throw ImageError(
                "\(reference) has no entrypoint and no command: give one after --, or set ENTRYPOINT in its Dockerfile")
        }
        return program + rest
    }
}

/// An image that cannot be had or cannot be run.
public struct ImageError: Error, Sendable, CustomStringConvertible {
    public let description: String

    public init(_ description: String) { self.description = description }
}
