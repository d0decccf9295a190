import Foundation
import Testing

@testable import DockerAPI

/// The Engine of DOCKER_HOST, with removal of everything that a test has made.
struct RealEngine: Sendable {
    static let image = "paddock/busybox:1"
    static let label = "io.paddock.test"
    static let labels = [label: "dockerapi"]

    let client: DockerClient
    /// Differs in every run, for names and filters.
    let id = "paddock-dockerapi-test-" + UUID().uuidString.prefix(8).lowercased()

    static func with(_ body: (RealEngine) async throws -> Void) async throws {
        let host = ProcessInfo.processInfo.environment["DOCKER_HOST"]
        try await DockerClient.withClient(try .init(dockerHost: host)) { client in
            let engine = RealEngine(client: client)
            do {
                try await body(engine)
            } catch {
                try? await engine.removeAll()
                throw error
            }
            try await engine.removeAll()
        }
    }

    var filters: Filters { ["label": ["\(Self.label).run=\(id)"]] }

    private func removeAll() async throws {
        for container in try await client.listContainers(filters: filters) {
            try await client.removeContainer(container.id, force: true)
        }
        for image in try await client.listImages() {
            for name in image.repoTags ?? [] where name.contains(id) {
                try await client.removeImage(name, force: true)
            }
        }
    }

    /// A container of busybox that runs `script`, not started.
    func create(
        _ script: String, _ name: String = "a", change: (inout ContainerSpec) -> Void = { _ in }
    ) async throws -> String {
        var spec = ContainerSpec(image: Self.image)
        spec.cmd = ["sh", "-c", script]
        spec.labels = Self.labels.merging(["\(Self.label).run": id]) { $1 }
        spec.networkDisabled = true
        spec.hostConfig.networkMode = "none"
        change(&spec)
        return try await client.createContainer(name: "\(id)-\(name)", spec).id
    }

    /// A container whose stdin is the test's.
    func createWithInput(_ script: String) async throws -> String {
        try await create(script) { spec in
            (spec.attachStdin, spec.attachStdout, spec.attachStderr) = (true, true, true)
            (spec.openStdin, spec.stdinOnce) = (true, true)
        }
    }
}

/// Runs `body` with the path of a tar archive of these files.
func withArchive<Result>(
    _ files: [String: String], _ body: (String) async throws -> Result
) async throws -> Result {
    let folder = StubEngine.temporaryPath() + ".d"
    let archive = folder + ".tar"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer {
        try? FileManager.default.removeItem(atPath: folder)
        try? FileManager.default.removeItem(atPath: archive)
    }
    for (name, text) in files { try Data(text.utf8).write(to: URL(fileURLWithPath: folder + "/" + name)) }
    let tar = Process()
    tar.executableURL = URL(fileURLWithPath: "/bin/tar")
    tar.arguments = ["-C", folder, "-cf", archive, "."]
    try tar.run()
    try await eventually("tar ends") { !tar.isRunning }
    try #require(tar.terminationStatus == 0)
    return try await body(archive)
}
