import DockerAPI
import Foundation
import Glibc
import Subprocess

/// The image that the probes run from: their program, once more as set-user-id root, and nothing else.
enum ProbeImage {
    static let program = "/probe"
    private static let tag = "paddock-doctor:latest"

    /// Builds it, without any base image or network, and removes it afterwards.
    static func with<Result>(
        _ client: DockerClient, _ body: (AgentImage) async throws -> Result
    ) async throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "paddock-doctor-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try await write(to: folder)
        // Not cancelled half-way: the Engine would make an image that nobody knows of.
        let image = try await Task {
            try await ImageStore(client: client).build(folder: folder.path(), tag: tag) { _ in }
        }.value
        let result: Result
        do {
            try Task.checkCancellation()
            result = try await body(image)
        } catch {
            await remove(image, client)
            throw error
        }
        await remove(image, client)
        return result
    }

    /// Another doctor that runs at the same time may still use it, and removes it then.
    private static func remove(_ image: AgentImage, _ client: DockerClient) async {
        // Apart from the caller's task, so that cancelling it leaves nothing behind.
        await Task { try? await client.removeImage(image.id, force: true) }.value
    }

    private static func write(to folder: URL) async throws {
        let files = FileManager.default
        try files.createDirectory(at: folder.appending(path: "root/probe-folder"), withIntermediateDirectories: true)
        try files.createDirectory(at: folder.appending(path: "root/tmp"), withIntermediateDirectories: true)
        guard let bytes = embeddedSandboxProbes.bytes else { throw ImageError("the embedded probes are damaged") }
        for (name, mode) in [("probe", 0o755), ("probe-setuid", 0o4755)] {
            let path = folder.appending(path: "root/\(name)").path()
            try Data(bytes).write(to: URL(filePath: path))
            // Foundation drops the set-user-id bit.
            guard chmod(path, mode_t(mode)) == 0 else { throw ImageError("\(path): \(Errno.last)") }
        }
        for name in ["probe-folder", "tmp"] {
            let path = folder.appending(path: "root/\(name)").path()
            try files.setAttributes([.posixPermissions: 0o1777], ofItemAtPath: path)
        }
        // An archive, since the builder's COPY drops the set-user-id bit too.
        let result = try await run(
            .name("tar"),
            arguments: [
                "--create", "--file=\(folder.path())/root.tar", "--directory=\(folder.path())/root", "--owner=0",
                "--group=0", "--numeric-owner", ".",
            ], output: .discarded, error: .string(limit: 4096))
        guard result.terminationStatus.isSuccess else {
            throw ImageError("the probes' image could not be archived: \(result.standardError)")
        }
        let dockerfile = """
            FROM scratch
            ADD root.tar /
            ENV LD_PRELOAD=/none.so
            ENTRYPOINT ["\(program)"]
            """
        try Data(dockerfile.utf8).write(to: folder.appending(path: "Dockerfile"))
    }
}
