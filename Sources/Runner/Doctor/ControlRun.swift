import DockerAPI
import Entitlements

/// Runs probes with a defence off: in a container like the sandbox's, but for that defence and the init.
struct ControlRun: Sendable {
    let host: RunnerHost
    let image: AgentImage
    let surroundings: DoctorSurroundings

    /// Longest wait for one container of probes.
    private static let limit: Duration = .seconds(300)
    /// Containers at once: more only queue up in the Engine.
    private static let parallel = 3

    func attempts(_ probes: [Probe]) async throws -> [String: Finding.Attempt] {
        struct Key: Hashable {
            let relaxations: [Relaxation]
            /// nil for probes that share a container.
            let alone: String?
        }
        var groups: [Key: [Probe]] = [:]
        var attempts: [String: Finding.Attempt] = [:]
        for probe in probes {
            try Task.checkCancellation()
            if case .ending(let expected, _, let command, let limits) = probe.judgement {
                attempts[probe.name] = try await relaxedEnding(expected, command, limits)
            } else {
                groups[Key(relaxations: probe.control, alone: probe.isAlone ? probe.name : nil), default: []].append(
                    probe)
            }
        }
        attempts = await withTaskGroup(of: [String: Finding.Attempt].self) { group in
            var waiting = groups.sorted { $0.value[0].name < $1.value[0].name }[...]
            for _ in 0..<Self.parallel {
                if let (key, probes) = waiting.popFirst() { group.addTask { await lines(probes, key.relaxations) } }
            }
            for await result in group {
                attempts.merge(result) { $1 }
                if let (key, probes) = waiting.popFirst() { group.addTask { await lines(probes, key.relaxations) } }
            }
            return attempts
        }
        // What a cancelled control showed means nothing.
        try Task.checkCancellation()
        return attempts
    }

    /// For probes that the ending judges: with other limits, or an honest output, it must end otherwise.
    private func relaxedEnding(
        _ expected: Probe.Ending, _ command: [String], _ limits: LimitsRequest
    ) async throws -> Finding.Attempt {
        let request = ExecutionRequest(
            image: image, command: [ProbeImage.program] + command, limits: try limits.resolved(),
            input: Array("{}".utf8), endsWithRunner: true)
        return try await FenceRun.ending(expected, of: request, host: host)
    }

    private func lines(_ probes: [Probe], _ relaxations: [Relaxation]) async -> [String: Finding.Attempt] {
        do {
            try Task.checkCancellation()
            let user = try host.folder.lockUser()
            defer { withExtendedLifetime(user) {} }
            let id = ExecutionID()
            let spec = try await spec(probes, relaxations, uid: user.uid, id: id)
            return Finding.Attempt.parse(try await output(of: spec, name: id.description), of: probes)
        } catch {
            let why = Finding.Attempt(outcome: .unknown, said: String(describing: error))
            return Dictionary(uniqueKeysWithValues: probes.map { ($0.name, why) })
        }
    }

    private func spec(
        _ probes: [Probe], _ relaxations: [Relaxation], uid: UInt32, id: ExecutionID
    ) async throws -> ContainerSpec {
        let policy = SandboxPolicy(
            imageID: image.id, uid: uid, limits: try LimitsRequest().resolved(), runtime: .engineDefault,
            volumes: image.volumes, files: try host.folder.files(uid: uid),
            seccompProfile: try SeccompPolicy.standard.engineProfile(), labels: host.labels(for: id),
            cgroupParent: try await host.cgroupParent())
        let words = Probe.words(probes, argument: surroundings.controlArgument)
        let asChild = relaxations.contains(.noInit) ? ["--as-child"] : []
        return policy.unsafeContainerSpec(
            without: relaxations, command: [ProbeImage.program] + asChild + words, surroundings: surroundings)
    }

    private func output(of spec: ContainerSpec, name: String) async throws -> String {
        let client = host.client
        // Not cancelled half-way: the Engine would make a container that nobody knows of.
        let container = try await Task { try await client.createContainer(name: name, spec) }.value.id
        do {
            let frames = try await client.attachOutput(container)
            try await client.startContainer(container)
            let text = await Self.read(frames)
            try await remove(container)
            return text
        } catch {
            try? await remove(container)
            throw error
        }
    }

    /// Apart from the caller's task, so that cancelling it leaves nothing behind.
    private func remove(_ container: String) async throws {
        let client = host.client
        try await Task { try await client.removeContainer(container, force: true) }.value
    }

    private static func read(_ frames: LogFrames) async -> String {
        let sink = CollectingSink()
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    for try await frame in frames { try await sink.write(frame.bytes, to: frame.stream) }
                } catch {
                    return
                }
            }
            group.addTask { try? await Task.sleep(for: limit) }
            await group.next()
            group.cancelAll()
        }
        return sink.text
    }
}
