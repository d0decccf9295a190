import DockerAPI
import Entitlements
import NIOConcurrencyHelpers

/// Makes the sandbox of a run, or finds the one of a runner before, and reads what it says.
extension ExecutionRun {
    func prepareAndPump(
        _ policy: SandboxPolicy, _ feed: Feed
    ) async {
        do {
            let sandbox = try await create(policy)
            found.withLockedValue {
                $0.sandbox = sandbox
                $0.uid = policy.uid
            }
            keeper?.reached(.created)
            async let started: Void = start(sandbox, feed)
            var pump = OutputPump(nonce: nonce, limits: request.limits, sink: sink) { event in
                switch event {
                case .report(let report) where needsHost(report, policy):
                    Task { feed.yield(await verdictWithHost(on: report, policy, sandbox)) }
                case .report(let report): feed.yield(verdict(on: report, policy))
                case .trailer(let trailer):
                    keeper?.reached(.trailerSeen)
                    feed.yield(.trailer(withHostUsage(trailer)))
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
            if let event = await afterTheStreams(sandbox, lost) {
                feed.yield(event)
            } else if keeper != nil, let startedAt = found.withLockedValue({ $0.startedAt }) {
                let launch = Launch(
                    containerID: sandbox.containerID, nonce: nonce, uid: policy.uid, startedAt: startedAt,
                    policy: found.withLockedValue { $0.policy })
                await followAndPump(launch, feed, wasAway: true)
            } else {
                feed.yield(.connectionLost(lost ?? "the connection to the sandbox was lost"))
            }
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

    /// Follows a sandbox by what the Engine has kept of its output, until it has said how it ended, or cannot say so any
    /// more. While the Engine is away, it waits: agents may live on without it.
    /// - Parameter wasAway: whether the Engine is why nobody follows it any more.
    func followAndPump(_ launch: Launch, _ feed: Feed, wasAway: Bool = false) async {
        let sandbox = Sandbox(client: host.client, containerID: launch.containerID, streams: nil)
        found.withLockedValue {
            $0.sandbox = sandbox
            $0.startedAt = launch.startedAt
            $0.policy = launch.policy
            $0.isRecovered = true
        }
        if request.runtime.kernel == .gvisor,
            let state = try? await host.client.inspectContainer(launch.containerID).state
        {
            let cgroup = HostCgroup(pid: state.pid)
            found.withLockedValue { $0.cgroup = cgroup }
        }
        var wasAway = wasAway
        while !Task.isCancelled {
            do {
                if let event = try await follow(sandbox, feed) {
                    return _ = feed.yield(event.found(afterTheEngine: wasAway))
                }
            } catch let error as DockerError where error.isEngineAway {
            } catch {
                return _ = feed.yield(.failed(.runnerLost, "the runner went away, and what it ran with it: \(error)"))
            }
            wasAway = true
            try? await Task.sleep(for: .milliseconds(200))
        }
    }

    /// - Returns: nil when the sandbox runs on all the same.
    private func follow(_ sandbox: Sandbox, _ feed: Feed) async throws -> ExecutionLifecycle.Event? {
        let sink = keeper?.recovering() ?? sink
        var pump = OutputPump(nonce: nonce, limits: request.limits, sink: sink) { event in
            switch event {
            case .report, .readerGone: break
            case .trailer(let trailer):
                keeper?.reached(.trailerSeen)
                feed.yield(.trailer(withHostUsage(trailer)))
            case .complete: feed.yield(.outputComplete)
            }
        }
        let lost = await pump.run(try await host.client.containerLogs(sandbox.containerID, follow: true))
        let log = pump.limiter
        found.withLockedValue { $0.log = log }
        return await afterTheStreams(sandbox, lost)
    }

    /// The streams have ended. Without a trailer, the Engine may know why.
    /// - Returns: nil when the sandbox runs on, or the Engine cannot be asked.
    private func afterTheStreams(_ sandbox: Sandbox, _ lost: String?) async -> ExecutionLifecycle.Event? {
        guard let lost else { return .outputComplete }
        // The streams can end a moment before the Engine knows that the sandbox has.
        await Self.waitForExit(sandbox.containerID, host.client)
        do {
            let state = try await host.client.inspectContainer(sandbox.containerID).state
            if ["running", "paused"].contains(state.status) { return nil }
            // A start that failed leaves its words in the streams. An Engine that does not know the end says 255.
            guard state.status == "exited", state.exitCode > 128, state.exitCode < 255 else {
                return .connectionLost(lost)
            }
            return .sandboxKilled(signal: state.exitCode - 128, isOutOfMemory: state.oomKilled)
        } catch {
            return (error as? DockerError)?.isEngineAway == true ? nil : .connectionLost(lost)
        }
    }

    private func start(_ sandbox: Sandbox, _ feed: Feed) async {
        do {
            try await sandbox.start()
            keeper?.reached(.started)
        } catch {
            feed.yield(failure(error))
        }
    }

    func failure(_ error: any Error) -> ExecutionLifecycle.Event {
        guard let error = error as? DockerError else { return .failed(.engineError, String(describing: error)) }
        let isImage = error.isNotFound && error.message.contains("No such image")
        return .failed(isImage ? .imageError : .engineError, error.description)
    }
}

extension ExecutionLifecycle.Event {
    /// What the end of a sandbox means that its runner did not see.
    fileprivate func found(afterTheEngine wasAway: Bool) -> Self {
        switch (self, wasAway) {
        case (.connectionLost, true), (.sandboxKilled(_, isOutOfMemory: false), true):
            .failed(.engineError, "the Engine went away, and the sandbox with it")
        // Where the frame did not arrive whole, nothing has run; whether it did, nobody can say any more.
        case (.connectionLost, false): .failed(.runnerLost, "the runner went away, and what it ran left no result")
        default: self
        }
    }
}
