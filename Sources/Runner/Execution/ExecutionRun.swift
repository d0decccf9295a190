import DockerAPI
import Foundation
import NIOConcurrencyHelpers

/// One run: it carries out what ``ExecutionLifecycle`` decides.
struct ExecutionRun: Sendable {
    let request: ExecutionRequest
    let host: RunnerHost
    let sink: any LogSink
    let egressSink: (any EgressSink)?
    let keeper: (any ExecutionKeeper)?

    /// What the tasks of a run leave behind for its account.
    private struct Found: Sendable {
        var sandbox: Sandbox?
        var startedAt: Date?
        var runtime: String?
        var uid: UInt32?
        /// Where the init cannot see its own.
        var cgroup: HostCgroup?
        var log = LogLimiter(limit: 0)
        var policy: PolicyEvidence?
    }

    private let found = NIOLockedValueBox(Found())
    private let nonce: String

    init(
        request: ExecutionRequest, host: RunnerHost, sink: any LogSink, egressSink: (any EgressSink)?,
        keeper: (any ExecutionKeeper)?, nonce: String = LaunchFrame.makeNonce()
    ) {
        self.request = request
        self.host = host
        self.sink = sink
        self.egressSink = egressSink
        self.keeper = keeper
        self.nonce = nonce
    }

    /// With the fence: of two runners that both believe the execution theirs, one makes the sandbox of each fence.
    private var containerName: String { request.fence.map { "\(request.id).\($0)" } ?? request.id.description }

    func toEnd(_ control: ExecutionControl) async -> FinishedExecution {
        let createdAt = Date()
        let user: SandboxUser
        let policy: SandboxPolicy
        var proxy: EgressProxy?
        do {
            user = try host.folder.lockUser()
            proxy = try await startProxy(user)
            policy = try await makePolicy(user, proxy)
        } catch {
            let ending = Ending.failed(.engineError, String(describing: error))
            let egress = await proxy?.close()
            return await finished(ending, createdAt: createdAt, finishedAt: Date(), egress: egress, removal: nil)
        }
        let ending = await live(control) {
            $0.begin()
        } _: {
            await prepareAndPump(policy, $0)
        }
        let finishedAt = Date()
        let egress = await proxy?.close()
        return await accountAndRemove(ending, user, createdAt: createdAt, finishedAt: finishedAt, egress: egress)
    }

    /// - Parameter launch: of the runner before.
    func toEnd(adopting launch: Launch, _ control: ExecutionControl) async -> FinishedExecution {
        let user: SandboxUser
        do {
            user = try host.folder.lockUser(uid: launch.uid)
        } catch {
            let ending = Ending.failed(.engineError, String(describing: error))
            return await finished(ending, createdAt: launch.startedAt, finishedAt: Date(), egress: nil, removal: nil)
        }
        let gone = Duration.seconds(Date().timeIntervalSince(launch.startedAt))
        let remaining = max(.zero, .seconds(request.limits.timeoutSeconds) - gone)
        let ending = await live(control) {
            $0.resume(remaining: remaining)
        } _: {
            await followAndPump(launch, $0)
        }
        return await accountAndRemove(ending, user, createdAt: launch.startedAt, finishedAt: Date(), egress: nil)
    }

    private func accountAndRemove(
        _ ending: Ending, _ user: SandboxUser, createdAt: Date, finishedAt: Date, egress: EgressReport?
    ) async -> FinishedExecution {
        guard let keeper else {
            let removal = await remove(acknowledged: ending.trailer != nil)
            // The container of a removal that failed may still run under this user id.
            if removal == nil { withExtendedLifetime(user) {} } else { host.keep(user) }
            return await finished(
                ending, createdAt: createdAt, finishedAt: finishedAt, egress: egress, removal: removal)
        }
        await lookUpRuntime()
        var finished = await finished(
            ending, createdAt: createdAt, finishedAt: finishedAt, egress: egress, removal: nil)
        do {
            try await keeper.hasEnded(finished)
        } catch {
            // Whoever takes over finds it as it is.
            host.keep(user)
            return finished
        }
        finished.removalFailure = await remove(acknowledged: ending.trailer != nil)
        if finished.removalFailure == nil { withExtendedLifetime(user) {} } else { host.keep(user) }
        return finished
    }

    private func lookUpRuntime() async {
        guard let runtime = try? await host.client.inspectContainer(containerName).hostConfig.runtime else { return }
        found.withLockedValue { $0.runtime = runtime }
    }

    private func startProxy(_ user: SandboxUser) async throws -> EgressProxy? {
        guard let egress = request.egress else { return nil }
        return try await EgressProxy.start(
            egress, socketPath: host.egressSocketPath(uid: user.uid), uid: user.uid, sink: egressSink)
    }

    private func makePolicy(_ user: SandboxUser, _ proxy: EgressProxy?) async throws -> SandboxPolicy {
        var files = try host.folder.files(uid: user.uid)
        if request.recorderMarker != nil { files.recorder = try host.folder.recorder(uid: user.uid) }
        return SandboxPolicy(
            imageID: request.image.id, uid: user.uid, limits: request.limits, runtime: request.runtime,
            volumes: request.image.volumes, files: files,
            seccompProfile: try seccompPolicy.engineProfile(),
            labels: host.labels(for: request.id, fence: request.fence), cgroupParent: try await host.cgroupParent(),
            egressSocket: proxy?.socketPath, keepsLog: keeper != nil)
    }

    private var seccompPolicy: SeccompPolicy {
        get throws {
            if request.recorderMarker != nil { return .recording }
            let narrowed = try request.seccomp.map {
                try SeccompPolicy.narrowed(to: $0, withForwarder: request.egress != nil)
            }
            return (narrowed ?? .standard).adapted(to: request.runtime)
        }
    }

    // MARK: The life

    private typealias Feed = AsyncStream<ExecutionLifecycle.Event>.Continuation

    private func live(
        _ control: ExecutionControl, _ begin: (inout ExecutionLifecycle) -> [ExecutionLifecycle.Action],
        _ pump: @escaping @Sendable (Feed) async -> Void
    ) async -> Ending {
        await withTaskGroup(of: Void.self) { group in
            var lifecycle = ExecutionLifecycle(limits: request.limits)
            let feed = control.feed
            var actions = begin(&lifecycle)
            group.addTask { await pump(feed) }
            var events = control.events.makeAsyncIterator()
            while true {
                for action in actions {
                    if case .finish(let ending) = action {
                        group.cancelAll()
                        return ending
                    }
                    group.addTask { await carryOut(action, feed) }
                }
                if lifecycle.isEnding { sink.executionIsEnding() }
                guard let event = await events.next(isolation: nil) else {
                    group.cancelAll()
                    return .failed(.engineError, "the run lost its events")
                }
                actions = lifecycle.on(event)
            }
        }
    }

    private func prepareAndPump(
        _ policy: SandboxPolicy, _ feed: Feed
    ) async {
        do {
            let sandbox = try await create(policy)
            found.withLockedValue {
                $0.sandbox = sandbox
                $0.uid = policy.uid
            }
            async let started: Void = start(sandbox, feed)
            var pump = OutputPump(nonce: nonce, limits: request.limits, sink: sink) { event in
                switch event {
                case .report(let report) where needsHost(report, policy):
                    Task { feed.yield(await verdictWithHost(on: report, policy, sandbox)) }
                case .report(let report): feed.yield(verdict(on: report, policy))
                case .trailer(let trailer): feed.yield(.trailer(withHostUsage(trailer)))
                case .complete: feed.yield(.outputComplete)
                case .readerGone:
                    feed.yield(
                        .cancel(grace: .seconds(request.limits.graceSeconds), why: "nobody reads its output any more"))
                }
            }
            guard let output = sandbox.streams?.output else { return }
            let lost = await pump.run(output)
            let log = pump.limiter
            found.withLockedValue { $0.log = log }
            // A start that failed says why; the streams that end with it do not.
            await started
            feed.yield(await afterTheStreams(sandbox, lost))
        } catch {
            feed.yield(failure(error))
        }
    }

    private func create(_ policy: SandboxPolicy) async throws -> Sandbox {
        do {
            return try await Sandbox.create(policy, name: containerName, client: host.client)
        } catch let error as DockerError where error.isConflict && request.fence != nil {
            // The last words of a runner that died under the same lease: no frame was ever sent there.
            try await host.removeSandbox(named: containerName)
            return try await Sandbox.create(policy, name: containerName, client: host.client)
        }
    }

    private func followAndPump(_ launch: Launch, _ feed: Feed) async {
        do {
            let sandbox = Sandbox(client: host.client, containerID: launch.containerID, streams: nil)
            found.withLockedValue {
                $0.sandbox = sandbox
                $0.startedAt = launch.startedAt
            }
            var pump = OutputPump(nonce: nonce, limits: request.limits, sink: sink) { event in
                switch event {
                case .report, .readerGone: break
                case .trailer(let trailer): feed.yield(.trailer(trailer))
                case .complete: feed.yield(.outputComplete)
                }
            }
            let lost = await pump.run(try await host.client.containerLogs(launch.containerID, follow: true))
            let log = pump.limiter
            found.withLockedValue { $0.log = log }
            feed.yield(await afterTheStreams(sandbox, lost))
        } catch {
            feed.yield(failure(error))
        }
    }

    /// The streams have ended. Without a trailer, the Engine may know why.
    private func afterTheStreams(_ sandbox: Sandbox, _ lost: String?) async -> ExecutionLifecycle.Event {
        guard let lost else { return .outputComplete }
        // The streams can end a moment before the Engine knows that the sandbox has.
        await Self.waitForExit(sandbox.containerID, host.client)
        guard let state = try? await host.client.inspectContainer(sandbox.containerID).state, state.status == "exited"
        else { return .connectionLost(lost) }
        // A start that failed leaves its words in the streams.
        if state.exitCode <= 128 { return .connectionLost(lost) }
        return .sandboxKilled(signal: state.exitCode - 128, isOutOfMemory: state.oomKilled)
    }

    private func start(_ sandbox: Sandbox, _ feed: Feed) async {
        do {
            try await sandbox.start()
        } catch {
            feed.yield(failure(error))
        }
    }

    private func verdict(on report: InitMessage, _ policy: SandboxPolicy) -> ExecutionLifecycle.Event {
        var verification = Verification(report, against: policy)
        defer { found.withLockedValue { $0.policy = verification.evidence } }
        do {
            try verification.check()
            return .verified
        } catch {
            return .mismatched("this host does not hold the sandbox's policy: \(error). The agent was not started")
        }
    }

    /// Whether the host must be looked at: the sandbox cannot see its own cgroup, or the runtime left a limit out.
    private func needsHost(_ report: InitMessage, _ policy: SandboxPolicy) -> Bool {
        switch policy.runtime.kernel {
        case .gvisor: true
        case .host:
            geteuid() == 0
                && report.cgroupFiles(version: 1)[HostCgroup.tcpLimit].map { $0 != "\(policy.tcpMemoryBytes)" } ?? false
        }
    }

    private func verdictWithHost(
        on report: InitMessage, _ policy: SandboxPolicy, _ sandbox: Sandbox
    ) async -> ExecutionLifecycle.Event {
        do {
            let cgroup = HostCgroup(pid: try await host.client.inspectContainer(sandbox.containerID).state.pid)
            var report = report
            switch policy.runtime.kernel {
            case .gvisor:
                found.withLockedValue { $0.cgroup = cgroup }
                report.add(cgroup?.limits() ?? [])
            case .host: cgroup?.limitTCP(policy.tcpMemoryBytes)
            }
            return verdict(on: report, policy)
        } catch {
            return failure(error)
        }
    }

    private func withHostUsage(_ trailer: Trailer) -> Trailer {
        guard let usage = found.withLockedValue({ $0.cgroup })?.usage() else { return trailer }
        var trailer = trailer
        (trailer.cpu, trailer.memoryPeak) = usage
        return trailer
    }

    private func failure(_ error: any Error) -> ExecutionLifecycle.Event {
        guard let error = error as? DockerError else { return .failed(.engineError, String(describing: error)) }
        let isImage = error.isNotFound && error.message.contains("No such image")
        return .failed(isImage ? .imageError : .engineError, error.description)
    }

    private func carryOut(
        _ action: ExecutionLifecycle.Action, _ feed: Feed
    ) async {
        let sandbox = found.withLockedValue { $0.sandbox }
        switch action {
        case .launch:
            do {
                let frame = try launchFrame().serialized()
                do {
                    try await keep(sandbox)
                } catch {
                    return _ = feed.yield(.failed(.engineError, "the agent was not started: \(error)"))
                }
                found.withLockedValue { $0.startedAt = Date() }
                // Returns when the agent has taken its input. If it fails, the streams' own end says why.
                try? await sandbox?.launch(frame)
            } catch {
                feed.yield(.failed(.imageError, String(describing: error)))
            }
        case .arm(let timer, let duration):
            do {
                try await Task.sleep(for: duration)
                feed.yield(.expired(timer))
            } catch {
                return
            }
        case .signal(let name):
            // A signal that cannot be sent is followed by a timer, and that by a stronger one.
            try? await sandbox?.signal(name)
        case .acknowledge:
            // The init exits on end of file just as well.
            try? await sandbox?.acknowledge()
        case .finish: return
        }
    }

    /// Nothing runs that nobody could find again.
    private func keep(_ sandbox: Sandbox?) async throws {
        guard let keeper, let sandbox, let uid = found.withLockedValue({ $0.uid }) else { return }
        try await keeper.willLaunch(
            Launch(containerID: sandbox.containerID, nonce: nonce, uid: uid, startedAt: Date()))
    }

    /// What goes before the agent's command, if its calls are recorded.
    private var recorder: [String] { request.recorderMarker.map { [SandboxPolicy.recorderPath, $0] } ?? [] }

    private func launchFrame() -> LaunchFrame {
        let limits = request.limits
        return LaunchFrame(
            nonce: nonce, arguments: recorder + request.command, environment: request.fullEnvironment,
            workingDirectory: request.image.workingDirectory, outputLimit: limits.outputKiB * 1024,
            backstop: .seconds(limits.timeoutSeconds + limits.graceSeconds + 30),
            cpuLimit: limits.cpuSeconds.map { .seconds($0) }, endsWithRunner: request.endsWithRunner,
            egressPort: request.egress.map { _ in SandboxPolicy.egressPort }, secrets: request.secrets,
            input: request.input)
    }

    // MARK: The end

    /// Longest wait for a sandbox that has been acknowledged to exit by itself.
    private static let exitLimit: Duration = .seconds(5)

    private func remove(acknowledged: Bool) async -> DockerError? {
        let client = host.client
        let name = containerName
        // Apart from the caller's task, so that cancelling it leaves nothing behind.
        return await Task {
            // Waiting for the exit and removing then is faster than removing by force.
            if acknowledged {
                // Beside the wait, which takes longer.
                async let details = try? client.inspectContainer(name)
                await Self.waitForExit(name, client)
                if let runtime = await details?.hostConfig.runtime { found.withLockedValue { $0.runtime = runtime } }
            }
            if acknowledged, await Self.remove(name, force: false, client) == nil { return nil }
            return await Self.remove(name, force: true, client)
        }.value
    }

    private static func waitForExit(_ name: String, _ client: DockerClient) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { _ = try? await client.waitContainer(name, until: .notRunning).value() }
            group.addTask { try? await Task.sleep(for: exitLimit) }
            await group.next()
            group.cancelAll()
        }
    }

    private static func remove(_ name: String, force: Bool, _ client: DockerClient) async -> DockerError? {
        do {
            try await client.removeContainer(name, force: force)
            return nil
        } catch let error as DockerError {
            // Gone, or being removed by somebody else.
            let isGoing = error.isConflict && error.message.contains("already in progress")
            return error.isNotFound || isGoing ? nil : error
        } catch {
            return nil
        }
    }

    private func finished(
        _ ending: Ending, createdAt: Date, finishedAt: Date, egress: EgressReport?, removal: DockerError?
    ) async -> FinishedExecution {
        let found = self.found.withLockedValue { $0 }
        var execution = Execution(
            id: request.id, agentID: request.agentID, userID: request.userID, image: request.image.id,
            status: ending.status, createdAt: createdAt, limits: request.limits)
        execution.reason = ending.reason
        execution.exitCode = ending.exitCode
        execution.signal = ending.signal
        execution.message = ending.message
        execution.startedAt = found.startedAt
        execution.finishedAt = finishedAt
        execution.runtime = found.runtime ?? request.runtime.name
        execution.notes = ending.notes
        if let policy = request.egress {
            execution.network = .init(
                mode: "allowlist", allow: policy.rules.map(\.description), connections: egress?.records ?? [],
                droppedConnections: egress?.droppedRecords ?? 0, connectionCounts: egress?.counts ?? .init())
        }
        execution.usage.logBytes = found.log.total
        execution.usage.egressBytes = egress?.bytes ?? 0
        if let trailer = ending.trailer {
            execution.usage.wallMs = Int(trailer.wall / .milliseconds(1))
            execution.usage.cpuMs = Int(trailer.cpu / .milliseconds(1))
            execution.usage.maxMemoryBytes = trailer.memoryPeak
            if case .bytes(let bytes) = trailer.output {
                await execution.judge(output: bytes, schema: request.outputSchema)
            }
        } else if let startedAt = found.startedAt {
            execution.usage.wallMs = Int(Date().timeIntervalSince(startedAt) * 1000)
        }
        if found.log.droppedBytes > 0 {
            execution.notes.append(
                .init(
                    code: .logTruncated,
                    message: "\(found.log.droppedBytes) bytes left out past \(request.limits.logMiB) MiB"))
        }
        return FinishedExecution(
            execution: execution, droppedLogBytes: found.log.droppedBytes, policy: found.policy, egress: egress,
            removalFailure: removal)
    }
}
