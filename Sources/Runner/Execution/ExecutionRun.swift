import DockerAPI
import Entitlements
import Foundation
import NIOConcurrencyHelpers

/// One run: it carries out what ``ExecutionLifecycle`` decides.
struct ExecutionRun: Sendable {
    let request: ExecutionRequest
    let host: RunnerHost
    let sink: any LogSink
    let egressSink: (any EgressSink)?
    let keeper: (any ExecutionKeeper)?
    let pool: SandboxPool?

    /// What the tasks of a run leave behind for its account.
    struct Found: Sendable {
        /// From before the container is made: what must be removed, and who has it.
        var container: String?
        var user: SandboxUser?
        var proxy: EgressProxy?
        /// Of the pool, which prepares nothing meanwhile.
        var start: SandboxPool.Start?
        var prepared: PreparedSandbox?
        var sandbox: Sandbox?
        var startedAt: Date?
        var runtime: String?
        var log = LogLimiter(limit: 0)
        var policy: PolicyEvidence?
        /// Its log was read from what the Engine has kept.
        var isRecovered = false
        /// A runner before had begun it.
        var isAdopted = false
    }

    let found = NIOLockedValueBox(Found())
    let trace: StageTrace
    let nonce: String

    init(
        request: ExecutionRequest, host: RunnerHost, sink: any LogSink, egressSink: (any EgressSink)?,
        keeper: (any ExecutionKeeper)?, pool: SandboxPool? = nil, nonce: String = LaunchFrame.makeNonce()
    ) {
        self.request = request
        self.host = host
        self.sink = sink
        self.egressSink = egressSink
        self.keeper = keeper
        self.pool = pool
        self.nonce = nonce
        trace = StageTrace { stage in
            if let step = stage.step { keeper?.reached(step) }
        }
    }

    /// With the fence: of two runners that both believe the execution theirs, one makes the sandbox of each fence.
    var containerName: String { request.fence.map { "\(request.id).\($0)" } ?? request.id.description }

    func toEnd(_ control: ExecutionControl) async -> FinishedExecution {
        let createdAt = request.createdAt
        let ending = await live(control) {
            $0.begin()
        } _: {
            await prepareAndPump($0)
        }
        return await accountAndRemove(ending, createdAt: createdAt, finishedAt: Date())
    }

    /// - Parameter launch: of the runner before.
    func toEnd(adopting launch: Launch, _ control: ExecutionControl) async -> FinishedExecution {
        // The lease says whose it is. Another sandbox may have taken its user id while nobody was there.
        let user = host.takeBackUser(uid: launch.uid) ?? (try? host.folder.lockUser(uid: launch.uid))
        let runtime = try? await host.named(request.runtime).name
        found.withLockedValue {
            $0.isAdopted = true
            $0.user = user
            $0.container = launch.containerID
            $0.runtime = runtime
            $0.sandbox = Sandbox(client: host.client, containerID: launch.containerID, streams: nil)
            $0.startedAt = launch.startedAt
            $0.policy = launch.policy
        }
        let gone = Duration.seconds(Date().timeIntervalSince(launch.startedAt))
        let remaining = max(.zero, .seconds(request.limits.timeoutSeconds) - gone)
        let ending = await live(control) {
            $0.resume(remaining: remaining)
        } _: {
            // Without it the agent runs all the same, and its document says that it could reach nothing any more.
            _ = try? await startProxy(uid: launch.uid)
            await followAndPump(launch, $0)
        }
        return await accountAndRemove(ending, createdAt: request.createdAt, finishedAt: Date())
    }

    // MARK: The life

    typealias Feed = AsyncStream<ExecutionLifecycle.Event>.Continuation

    private func live(
        _ control: ExecutionControl, _ begin: (inout ExecutionLifecycle) -> [ExecutionLifecycle.Action],
        _ pump: @escaping @Sendable (Feed) async -> Void
    ) async -> Ending {
        await withTaskGroup(of: Void.self) { group in
            var lifecycle = ExecutionLifecycle(limits: request.limits)
            let feed = control.feed
            var actions = begin(&lifecycle)
            var isStopping = false
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
                if let keeper, lifecycle.status == .stopping, !isStopping {
                    isStopping = true
                    group.addTask { await keeper.isStopping() }
                }
                guard let event = await events.next(isolation: nil) else {
                    group.cancelAll()
                    return .failed(.engineError, "the run lost its events")
                }
                actions = lifecycle.on(event)
            }
        }
    }

    private func carryOut(
        _ action: ExecutionLifecycle.Action, _ feed: Feed
    ) async {
        let sandbox = found.withLockedValue { $0.sandbox }
        switch action {
        case .launch:
            keeper?.reached(.verified)
            do {
                let frame = try launchFrame().serialized()
                do {
                    try await keep()
                } catch {
                    return _ = feed.yield(.failed(.engineError, "the agent was not started: \(error)"))
                }
                found.withLockedValue { $0.startedAt = Date() }
                // Returns when the agent has taken its input. If it fails, the streams' own end says why.
                try? await sandbox?.launch(frame)
                trace.mark(.launched)
                found.withLockedValue { $0.start = nil }
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
    private func keep() async throws {
        guard let keeper, let prepared = found.withLockedValue({ $0.prepared }) else { return }
        try await keeper.willLaunch(
            Launch(
                containerID: prepared.sandbox.containerID, nonce: nonce, uid: prepared.user.uid, startedAt: Date(),
                reports: prepared.reports, policy: prepared.evidence))
        trace.mark(.recorded)
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
}
