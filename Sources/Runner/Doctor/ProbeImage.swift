import DockerAPI
import Foundation
import Glibc
import Subprocess

/// The image that the probes run from: their program, once more as set-user-id root, and nothing else.
enum ProbeImage {
    static let program = "/probe"

    /// Builds one of this runner's own, without any base image or network, and removes it afterwards.
    static func with<Result>(
        _ host: RunnerHost, _ body: (AgentImage) async throws -> Result
    ) async throws -> Result {
        let client = host.client
        await removeLeft(host)
        let folder = FileManager.default.temporaryDirectory.appending(path: "paddock-doctor-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        do {
            try await write(to: folder, labels: host.labels)
        } catch let error as CocoaError {
            let why = (error.underlying as? POSIXError).map { Errno.message($0.code.rawValue) }
            throw ImageError(
                "the probes' image cannot be written to \(folder.path()): \(why ?? error.localizedDescription). Make room "
                    + "there, or set TMPDIR to another folder")
        }
        // Not cancelled half-way: the Engine would make an image that nobody knows of.
        let image = try await Task {
            try await ImageStore(client: client).build(
                folder: folder.path(), tag: "paddock-doctor:\(host.runnerID)"
            ) { _ in }
        }.value
        let result: Result
        do {
            try Task.checkCancellation()
            result = try await body(image)
        } catch {
            await remove(image.id, client)
            throw error
        }
        await remove(image.id, client)
        return result
    }

    private static func remove(_ image: String, _ client: DockerClient) async {
        // Apart from the caller's task, so that cancelling it leaves nothing behind.
        await Task { try? await client.removeImage(image, force: true) }.value
    }

    /// Removes those of this folder's runners that have died.
    private static func removeLeft(_ host: RunnerHost) async {
        let living = Set(host.folder.runners())
        let images = try? await host.client.listImages(
            filters: ["label": ["\(RunnerHost.Label.state)=\(host.folder.id)"]])
        for image in images ?? [] {
            guard let runner = image.labels?[RunnerHost.Label.runner], !living.contains(runner) else { continue }
            await remove(image.id, host.client)
        }
    }

    private static func write(to folder: URL, labels: [String: String]) async throws {
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
            LABEL \(labels.map { "\($0)=\($1)" }.joined(separator: " "))
            """
        try Data(dockerfile.utf8).write(to: folder.appending(path: "Dockerfile"))
    }
}
