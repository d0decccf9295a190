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

    func followAndPump(_ launch: Launch, _ feed: Feed) async {
        do {
            let sandbox = Sandbox(client: host.client, containerID: launch.containerID, streams: nil)
            found.withLockedValue {
                $0.sandbox = sandbox
                $0.startedAt = launch.startedAt
                $0.policy = launch.policy
            }
            if request.runtime.kernel == .gvisor,
                let state = try? await host.client.inspectContainer(launch.containerID).state
            {
                let cgroup = HostCgroup(pid: state.pid)
                found.withLockedValue { $0.cgroup = cgroup }
            }
            var pump = OutputPump(nonce: nonce, limits: request.limits, sink: sink) { event in
                switch event {
                case .report, .readerGone: break
                case .trailer(let trailer):
                    keeper?.reached(.trailerSeen)
                    feed.yield(.trailer(withHostUsage(trailer)))
                case .complete: feed.yield(.outputComplete)
                }
            }
            let lost = await pump.run(try await host.client.containerLogs(launch.containerID, follow: true))
            let log = pump.limiter
            found.withLockedValue { $0.log = log }
            let event = await afterTheStreams(sandbox, lost)
            if case .connectionLost = event {
                // Where the frame did not arrive whole, nothing has run; whether it did, nobody can say any more.
                feed.yield(.failed(.runnerLost, "the runner went away, and what it ran left no result"))
            } else {
                feed.yield(event)
            }
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
