import DockerAPI
import Foundation
import Testing

/// What the end-to-end tests share.
enum Fixture {
    static let busybox = "paddock/busybox:1"
    static let python = "paddock/python:3"

    /// A state folder of its own, removed afterwards: the containers of tests that run beside it are others'.
    /// Whatever the test did, nothing of ours may be left on the Engine.
    static func withState<Result>(_ body: ([String: String]) async throws -> Result) async throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "paddock-test-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let state = ["PADDOCK_STATE_DIR": folder.path()]
        let result = try await body(state)
        let left = try await withClient { try await containers(of: state, $0) }
        #expect(left.isEmpty, "left on the Engine: \(left.map(\.names))")
        let runners = try? FileManager.default.contentsOfDirectory(atPath: folder.path() + "/runners")
        #expect(runners ?? [] == [], "left in the state folder")
        return result
    }

    /// The Engine's containers that carry the label of this state folder.
    static func containers(of environment: [String: String], _ client: DockerClient) async throws -> [ContainerSummary]
    {
        let folder = environment["PADDOCK_STATE_DIR"] ?? ""
        guard let id = FileManager.default.contents(atPath: folder + "/id") else { return [] }
        return try await client.listContainers(
            filters: ["label": ["io.paddock.state=\(String(decoding: id, as: UTF8.self))"]])
    }

    /// Waits until the Engine has none that carries the label of this state folder.
    static func waitUntilGone(_ environment: [String: String]) async throws {
        try await withClient { client in
            let start = ContinuousClock.now
            while try await !containers(of: environment, client).isEmpty, start.duration(to: .now) < Program.deadline {
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    /// Waits until a program has at least so many running containers.
    static func waitForContainers(
        _ count: Int, of environment: [String: String], _ client: DockerClient, _ program: Program
    ) async throws -> [ContainerSummary] {
        let start = ContinuousClock.now
        while true {
            let running = try await containers(of: environment, client).filter { $0.state == "running" }
            if running.count >= count { return running }
            guard program.isRunning, start.duration(to: .now) < Program.deadline else {
                throw Program.TimedOut(
                    waitingFor: "\(count) containers", stdout: program.stdout, stderr: program.stderr)
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    static func withClient<Result>(_ body: (DockerClient) async throws -> Result) async throws -> Result {
        let host = ProcessInfo.processInfo.environment["DOCKER_HOST"]
        return try await DockerClient.withClient(DockerClient.Configuration(dockerHost: host), body)
    }

    /// Those of the Engine's runtimes that an operator has named.
    static func runtimes() async throws -> [String] {
        let all = try await withClient { try await $0.info().runtimes?.keys.sorted() ?? [] }
        return all.filter { !$0.hasPrefix("io.containerd") }
    }

    static func hasRuntime(_ name: String) async throws -> Bool { try await runtimes().contains(name) }

    /// An empty folder, removed afterwards.
    static func withFolder<Result>(_ body: (URL) async throws -> Result) async throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appending(path: "paddock-folder-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let result = try await body(folder)
        try await removeImages(of: folder)
        return result
    }

    /// Images that a run built from the folder.
    static func images(of folder: URL, _ client: DockerClient) async throws -> [ImageSummary] {
        let name = "paddock-run/\(folder.lastPathComponent.lowercased())-*"
        return try await client.listImages(filters: ["reference": [name]])
    }

    private static func removeImages(of folder: URL) async throws {
        try await withClient { client in
            // By name: an image that adds nothing to its base has the base's id.
            let names = try await images(of: folder, client).flatMap { $0.repoTags ?? [] }
            for name in names where name.hasPrefix("paddock-run/") { try await client.removeImage(name, force: true) }
        }
    }

    /// The document that `--json` prints.
    static func document(_ text: String) throws -> [String: Any] {
        let value = try JSONSerialization.jsonObject(with: Data(text.utf8))
        return value as? [String: Any] ?? [:]
    }
}
