import DockerAPI

/// One container that was made for one execution.
struct Sandbox: Sendable {
    let client: DockerClient
    let containerID: String
    /// nil for one that another runner has made: nothing can be sent to it but signals.
    let streams: AttachedContainer?

    /// Makes the container and attaches to it, so that nothing it writes can be missed. Nothing runs yet.
    static func create(
        _ policy: SandboxPolicy, name: String, client: DockerClient, _ trace: StageTrace
    ) async throws -> (Sandbox, LogFrames.AsyncIterator) {
        let spec = policy.containerSpec()
        // Not cancelled half-way: the Engine would make a container that nobody knows of.
        let created = try await Task { try await client.createContainer(name: name, spec) }.value
        trace.mark(.created)
        let streams = try await client.attach(created.id)
        trace.mark(.attached)
        return (
            Sandbox(client: client, containerID: created.id, streams: streams), streams.output.makeAsyncIterator()
        )
    }

    func start() async throws { try await client.startContainer(containerID) }

    /// Asks the init what the kernel holds now; docs/sandbox-init.md.
    func askForReport() async throws { try await streams?.send(Array("PDK?".utf8) + [0, 0, 0, 0]) }

    func launch(_ frame: [UInt8]) async throws { try await streams?.send(frame) }

    /// Tells the init that the trailer is safe, whereupon it exits.
    func acknowledge() async throws { try await streams?.send([0]) }

    /// Sends a signal to the init. One that has gone already needs none.
    func signal(_ name: String) async throws {
        do {
            try await client.killContainer(containerID, signal: name)
        } catch let error as DockerError where error.isNotFound || error.isConflict {
            return
        }
    }
}
