public import DockerAPI

/// This process as a runner: its identity, and what it finds and leaves on the Engine.
public struct RunnerHost: Sendable {
    enum Label {
        static let state = "io.paddock.state"
        static let runner = "io.paddock.runner"
        static let execution = "io.paddock.execution"
    }

    let client: DockerClient
    let folder: StateFolder
    private let lock: RunnerLock

    public init(client: DockerClient, folder: StateFolder) throws {
        self.client = client
        self.folder = folder
        self.lock = try folder.lockRunner()
    }

    /// What marks a container as ours.
    func labels(for execution: ExecutionID) -> [String: String] {
        [Label.state: folder.id, Label.runner: lock.id, Label.execution: execution.description]
    }

    /// Removes the containers of runners of this folder that have died. Others are never touched.
    /// - Returns: what was removed, and what could not be.
    public func reap() async throws -> (removed: [String], failed: [DockerError]) {
        let containers = try await client.listContainers(filters: ["label": ["\(Label.state)=\(folder.id)"]])
        var removed: [String] = []
        var failed: [DockerError] = []
        for container in containers {
            guard let runner = container.labels[Label.runner], runner != lock.id,
                let deadRunner = folder.lockDeadRunner(runner)
            else { continue }
            do {
                try await client.removeContainer(container.id, force: true)
                removed.append(container.labels[Label.execution] ?? container.id)
            } catch let error as DockerError {
                // 404, or 409 while it is being removed: somebody else was faster.
                if !error.isNotFound, !error.isConflict { failed.append(error) }
            }
            withExtendedLifetime(deadRunner) {}
        }
        return (removed, failed)
    }
}
