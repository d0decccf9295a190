public import DockerAPI

/// Gets images ready to run: looks them up, pulls what is absent, builds folders.
public struct ImageStore: Sendable {
    private let client: DockerClient

    public init(client: DockerClient) { self.client = client }

    /// An image by name or id, pulled when this Engine does not have it.
    /// - Parameter progress: called for each line of a pull's progress.
    /// - Throws: ``ImageError`` with what to do; `DockerError` when the Engine fails.
    public func image(
        _ reference: String, progress: (ProgressMessage) -> Void
    ) async throws -> AgentImage {
        if let details = try await inspect(reference) { return try AgentImage(checking: details, reference: reference) }
        let name = try ImageReference(reference)
        do {
            for try await message in try await client.pullImage(name.name, tag: name.tag) { progress(message) }
        } catch let error as DockerError where !error.isEngineAway {
            throw ImageError("no image \(reference) on this Engine, and it could not be pulled: \(error.message)")
        }
        guard let details = try await inspect(reference) else {
            throw ImageError("\(reference) was pulled, and the Engine does not have it")
        }
        return try AgentImage(checking: details, reference: reference)
    }

    private func inspect(_ reference: String) async throws -> ImageDetails? {
        do {
            return try await client.inspectImage(reference)
        } catch let error as DockerError where error.isNotFound {
            return nil
        } catch let error as DockerError where error.status == 400 {
            throw ImageError("'\(reference)' is no image name: \(error.message)")
        }
    }

    /// Builds a folder that holds a Dockerfile. What an earlier build of it left is removed, unless it is used.
    /// - Parameters:
    ///   - tag: the name that the image gets.
    ///   - progress: called for each line of the build's progress.
    /// - Throws: ``ImageError`` with the builder's words.
    public func build(
        folder: String, tag: String, progress: (ProgressMessage) -> Void
    ) async throws -> AgentImage {
        let previous = try await inspect(tag)
        let context = try await BuildContext(folder: folder)
        let built: String?
        do {
            built = try await build(context, tag: tag, progress: progress)
        } catch let error as DockerError where error.code == .reported && error.message.contains("unable to find image")
        {
            // A layer of the builder's cache went meanwhile, with another image that was removed.
            built = try await build(context, tag: tag, progress: progress)
        } catch let error as DockerError where error.code == .reported || error.status == 400 || error.status == 500 {
            throw ImageError("building \(folder) failed: \(error.message)")
        }
        withExtendedLifetime(context) {}
        // By id: another build may have taken the tag meanwhile.
        guard let built, let details = try await inspect(built) else {
            throw ImageError("\(folder) was built, and the Engine does not have it")
        }
        if let previous, previous.id != details.id, (previous.repoTags ?? []).allSatisfy({ $0 == tag }) {
            // Still used by a container, or the base of something: then it stays.
            try? await client.removeImage(previous.id)
        }
        return try AgentImage(checking: details, reference: tag)
    }
}

extension ImageStore {
    /// Returns the id of the image that this very build has made.
    private func build(
        _ context: BuildContext, tag: String, progress: (ProgressMessage) -> Void
    ) async throws -> String? {
        var built: String?
        for try await message in try await client.buildImage(archive: context.path, tag: tag) {
            progress(message)
            built = message.aux?.imageID ?? built
        }
        return built
    }
}

/// A name as Docker writes it: `[HOST[:PORT]/]PATH[:TAG|@DIGEST]`.
struct ImageReference: Equatable {
    let name: String
    /// A tag or a digest; `latest` when the text names none.
    let tag: String

    /// - Throws: ``ImageError`` for an id that cannot be pulled, or text that is no name.
    init(_ text: String) throws {
        if text.hasPrefix("sha256:") { throw ImageError("no image \(text) on this Engine; an id cannot be pulled") }
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        if parts.count == 2 {
            // With a digest, the tag before it says nothing.
            name = Self.splitTag(parts[0]).name
            tag = String(parts[1])
        } else {
            let split = Self.splitTag(parts[0])
            name = split.name
            tag = split.tag ?? "latest"
        }
        guard parts.count <= 2, !name.isEmpty, !tag.isEmpty, !name.contains(where: \.isWhitespace) else {
            throw ImageError("'\(text)' is no image name")
        }
    }

    /// A colon is a tag's only behind the last slash; before it, it is a port's.
    private static func splitTag(_ text: Substring) -> (name: String, tag: String?) {
        let from = text.lastIndex(of: "/").map { text.index(after: $0) } ?? text.startIndex
        guard let colon = text[from...].lastIndex(of: ":") else { return (String(text), nil) }
        return (String(text[..<colon]), String(text[text.index(after: colon)...]))
    }
}

extension AgentImage {
    /// Each of an image's volumes takes a MiB of the sandbox's memory.
    private static let volumeLimit = 4

    /// - Throws: ``ImageError`` for an image that no sandbox can hold.
    init(checking details: ImageDetails, reference: String) throws {
        self.init(details, reference: reference)
        guard details.os == "linux" else {
            throw ImageError("\(reference) is built for \(details.os); only linux images run here")
        }
        guard volumes.count <= Self.volumeLimit else {
            throw ImageError("\(reference) declares \(volumes.count) volumes; at most \(Self.volumeLimit) are covered")
        }
        let forbidden = ["/", "/proc", "/sys", "/dev", "/.paddock", "/etc", "/run/paddock"]
        for path in volumes {
            let isBelow = forbidden.contains { path == $0 || ($0 != "/" && path.hasPrefix($0 + "/")) }
            let isPlain = path.unicodeScalars.allSatisfy {
                $0.value > 0x20 && $0.value < 0x7F && $0 != "," && $0 != "\\"
            }
            guard path.hasPrefix("/"), !path.split(separator: "/").contains(".."), !isBelow, isPlain else {
                throw ImageError("\(reference) declares the volume \(path), which no agent may have")
            }
        }
        let parts = workingDirectory.split(separator: "/")
        guard workingDirectory.hasPrefix("/"), !parts.contains("..") else {
            throw ImageError(
                "\(reference) has the working directory '\(workingDirectory)': it must be absolute and without '..'")
        }
        // The kernel's own: a descriptor there has been a way out (CVE-2024-21626).
        guard !["proc", "sys", "dev"].contains(parts.first) else {
            throw ImageError(
                "\(reference) has the working directory '\(workingDirectory)': nothing under /proc, /sys or /dev can "
                    + "be one. Set another with WORKDIR in its Dockerfile")
        }
    }
}
