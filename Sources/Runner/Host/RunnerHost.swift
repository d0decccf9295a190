public import DockerAPI
import NIOConcurrencyHelpers

/// This process as a runner: its identity, and what it finds and leaves on the Engine.
public struct RunnerHost: Sendable {
    enum Label {
        static let state = "io.paddock.state"
        static let runner = "io.paddock.runner"
        static let execution = "io.paddock.execution"
        /// Of a sandbox that a database knows: it is looked after by a node, and by nobody else.
        static let fence = "io.paddock.fence"
        /// Of a sandbox that a node has prepared ahead: it too is looked after by a node, and by nobody else.
        static let pool = "io.paddock.pool"
        /// The agent's user id.
        static let uid = "io.paddock.uid"
    }

    let client: DockerClient
    let folder: StateFolder
    private let lock: RunnerLock
    /// Asked for at once, beside whatever is done first. nil where the Engine did not say.
    private let firstInfo: Task<EngineInfo?, Never>
    /// User ids that stay taken for as long as this process lives.
    private let keptUsers = NIOLockedValueBox<[SandboxUser]>([])
    let facts = HostFacts()

    public init(client: DockerClient, folder: StateFolder) throws {
        self.client = client
        self.folder = folder
        self.lock = try folder.lockRunner()
        firstInfo = Task { try? await client.info() }
        SandboxCgroup().cap()
    }

    private func info() async throws -> EngineInfo {
        if let info = await firstInfo.value { return info }
        return try await client.info()
    }

    /// The cgroup above all sandboxes, as this Engine takes its name.
    /// - Throws: what the Engine said.
    func cgroupParent() async throws -> String { SandboxCgroup.parent(driver: try await info().cgroupDriver) }

    /// The runtime by the Engine's own name for it, so that what runs is what is told.
    func named(_ runtime: SandboxRuntime) async throws -> SandboxRuntime {
        guard runtime.name == nil else { return runtime }
        return runtime.named(try await info().defaultRuntime)
    }

    /// An image by name or id, pulled when this Engine does not have it. One whose name can mean no other is asked for
    /// once.
    /// - Throws: ``ImageError`` with what to do; `DockerError` when the Engine fails.
    func image(_ reference: String) async throws -> AgentImage {
        if let known = facts.image(reference) { return known }
        let image = try await ImageStore(client: client).image(reference) { _ in }
        facts.remember(image, as: reference)
        return image
    }

    /// A running container's cgroup, as this host sees it; nil where it does not.
    func cgroup(of containerID: String) async throws -> HostCgroup? {
        if let cgroup = HostCgroup(containerID: containerID, parent: try await cgroupParent()) { return cgroup }
        return HostCgroup(pid: try await client.inspectContainer(containerID).state.pid)
    }

    /// Those that an operator has configured.
    /// - Throws: what the Engine said.
    func runtimes() async throws -> [SandboxRuntime] { try await info().sandboxRuntimes }

    /// Looks a runtime up in the Engine's configuration.
    /// - Parameter name: nil for the Engine's default.
    /// - Throws: ``UnknownRuntime``, or what the Engine said.
    public func runtime(named name: String?) async throws -> SandboxRuntime {
        guard let name else { return .engineDefault }
        let known = try await info().sandboxRuntimes
        guard let runtime = known.first(where: { $0.name == name }) else {
            throw UnknownRuntime(name: name, known: known.compactMap(\.name))
        }
        return runtime
    }

    /// Hexadecimal digits; unlike any other runner's.
    var runnerID: String { lock.id }

    /// What marks a thing on the Engine as ours.
    var labels: [String: String] { [Label.state: folder.id, Label.runner: lock.id] }

    /// What marks a container as ours.
    /// - Parameter fence: nil for an execution that no database knows.
    func labels(for execution: ExecutionID, fence: Int? = nil) -> [String: String] {
        var all = labels
        all[Label.execution] = execution.description
        all[Label.fence] = fence.map { String($0) }
        return all
    }

    /// Keeps a user id from the next sandbox, since the last one may not be gone.
    func keep(_ user: SandboxUser) { keptUsers.withLockedValue { $0.append(user) } }

    /// A user id that was kept, for whoever goes on with its sandbox; nil for one that is not.
    func takeBackUser(uid: UInt32) -> SandboxUser? {
        keptUsers.withLockedValue { users in
            users.firstIndex { $0.uid == uid }.map { users.remove(at: $0) }
        }
    }

    /// Removes the containers and egress folders of runners of this folder that have died. Others are never touched.
    /// - Returns: what was removed, and what could not be.
    public func reap() async throws -> (removed: [String], failed: [DockerError]) {
        let containers = try await client.listContainers(filters: ["label": ["\(Label.state)=\(folder.id)"]])
        var removed: [String] = []
        var failed: [DockerError] = []
        for container in containers {
            guard container.labels[Label.fence] == nil, container.labels[Label.pool] == nil,
                let runner = container.labels[Label.runner], runner != lock.id,
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
        // Runners that died before they made a container, or whose containers are gone.
        let owners = Set(containers.compactMap { $0.labels[Label.runner] })
        for runner in folder.runners() where !owners.contains(runner) { _ = folder.lockDeadRunner(runner) }
        folder.removeEgressFolders(except: Set(containers.compactMap { $0.labels[Label.uid].flatMap { UInt32($0) } }))
        return (removed, failed)
    }
}
