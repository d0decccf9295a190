import DockerAPI

extension RunnerHost {
    /// A sandbox of this state folder that a database knows.
    struct FencedSandbox: Sendable {
        let containerID: String
        let execution: String
        let fence: Int
    }

    func fencedSandboxes() async throws -> [FencedSandbox] {
        try await client.listContainers(filters: ["label": ["\(Label.state)=\(folder.id)", Label.fence]]).compactMap {
            guard let execution = $0.labels[Label.execution], let fence = $0.labels[Label.fence].flatMap({ Int($0) })
            else { return nil }
            return FencedSandbox(containerID: $0.id, execution: execution, fence: fence)
        }
    }

    /// The sandboxes that nodes of this state folder have prepared ahead, and that nobody in this process looks after. An
    /// execution may have been launched in one: the launch that is written down names its container.
    func ownerlessPrepared() async throws -> [String] {
        try await client.listContainers(filters: ["label": ["\(Label.state)=\(folder.id)", Label.pool]])
            .filter { container in
                !container.names.contains { facts.isLookedAfter(String($0.drop { $0 == "/" })) }
            }
            .map(\.id)
    }

    /// Removed already, or by somebody else at this moment, is as good.
    func remove(_ sandbox: FencedSandbox) async { await removeContainer(sandbox.containerID) }

    func removeContainer(_ id: String) async { try? await client.removeContainer(id, force: true) }

    /// Its name is free when this returns.
    /// - Throws: what the Engine said, but for one that is not there.
    func removeSandbox(named name: String) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while true {
            do {
                return try await client.removeContainer(name, force: true)
            } catch let error as DockerError where error.isNotFound {
                return
            } catch let error as DockerError where error.isBeingRemoved && .now < deadline {
                // Begun by a runner that has died, or by our own look around.
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }
}
