import DockerAPI
import Entitlements
import NIOConcurrencyHelpers

/// Reads what the sandbox of a run says, its own or that of a runner before.
extension ExecutionRun {
    func prepareAndPump(_ feed: Feed) async {
        let prepared: PreparedSandbox
        do {
            prepared = try await prepare()
        } catch {
            return _ = feed.yield(await failure(error))
        }
        found.withLockedValue {
            $0.prepared = prepared
            $0.sandbox = prepared.sandbox
            $0.policy = prepared.evidence
        }
        feed.yield(.verified)
        await withTaskCancellationHandler {
            async let started: Void = answer(to: prepared.starting, feed)
            let lost = await pump(prepared.frames, into: sink, of: prepared.cgroup, feed)
            // A start that failed says why; the streams that end with it do not.
            await started
            if let event = await afterTheStreams(prepared.sandbox, lost) {
                feed.yield(event)
            } else if keeper != nil, let startedAt = found.withLockedValue({ $0.startedAt }) {
                let launch = Launch(
                    containerID: prepared.sandbox.containerID, nonce: nonce, uid: prepared.user.uid,
                    startedAt: startedAt, reports: prepared.reports, policy: prepared.evidence)
                await followAndPump(launch, feed, wasAway: true)
            } else {
                feed.yield(.connectionLost(lost ?? "the connection to the sandbox was lost"))
            }
        } onCancel: {
            prepared.starting.cancel()
        }
    }

    /// Follows a sandbox by what the Engine has kept of its output, until it has said how it ended, or cannot say so any
    /// more. While the Engine is away, it waits: agents may live on without it.
    /// - Parameter wasAway: whether the Engine is why nobody follows it any more.
    func followAndPump(_ launch: Launch, _ feed: Feed, wasAway: Bool = false) async {
        let sandbox = Sandbox(client: host.client, containerID: launch.containerID, streams: nil)
        found.withLockedValue { $0.isRecovered = true }
        let cgroup = request.runtime.kernel == .gvisor ? try? await host.cgroup(of: launch.containerID) : nil
        var wasAway = wasAway
        while !Task.isCancelled {
            do {
                if let event = try await follow(sandbox, of: cgroup, behind: launch.reports, feed) {
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
    private func follow(
        _ sandbox: Sandbox, of cgroup: HostCgroup?, behind reports: Int, _ feed: Feed
    ) async throws -> ExecutionLifecycle.Event? {
        var frames = try await host.client.containerLogs(sandbox.containerID, follow: true).makeAsyncIterator()
        do {
            for _ in 0..<reports { _ = try await SandboxReport.read(from: &frames) }
        } catch let error as SandboxReport.Missing {
            return await afterTheStreams(sandbox, error.description)
        }
        let lost = await pump(frames, into: keeper?.recovering() ?? sink, of: cgroup, feed)
        return await afterTheStreams(sandbox, lost)
    }

    /// - Parameter cgroup: where the sandbox cannot see its own.
    /// - Returns: what broke off; nil when everything has come.
    private func pump(
        _ frames: LogFrames.AsyncIterator, into sink: any LogSink, of cgroup: HostCgroup?, _ feed: Feed
    ) async -> String? {
        let isRecovered = found.withLockedValue { $0.isRecovered }
        var pump = OutputPump(nonce: nonce, limits: request.limits, sink: sink, trace: trace) { event in
            switch event {
            case .trailer(let trailer):
                trace.mark(.trailer)
                feed.yield(.trailer(trailer.withUsage(of: cgroup)))
            case .complete:
                trace.mark(.drained)
                feed.yield(.outputComplete)
            // What is recovered goes to a database, which is nobody who goes away.
            case .readerGone where isRecovered: break
            case .readerGone:
                feed.yield(
                    .cancel(grace: .seconds(request.limits.graceSeconds), why: "nobody reads its output any more"))
            }
        }
        let lost = await pump.run(frames)
        let log = pump.limiter
        found.withLockedValue { $0.log = log }
        return lost
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

    private func answer(to starting: Task<Void, any Error>, _ feed: Feed) async {
        do {
            try await starting.value
        } catch {
            feed.yield(await failure(error))
        }
    }

    private func failure(_ error: any Error) async -> ExecutionLifecycle.Event {
        switch error {
        case let error as DockerError:
            return .failed(error.isImageGone ? .imageError : .engineError, error.description)
        case let error as ImageError: return .failed(.imageError, error.description)
        case let error as SandboxEnded:
            return await afterTheStreams(error.sandbox, error.message) ?? .connectionLost(error.message)
        case let error as PolicyNotHeld:
            found.withLockedValue { $0.policy = error.evidence }
            return .mismatched(error.description)
        default: return .failed(.engineError, String(describing: error))
        }
    }
}

extension Trailer {
    fileprivate func withUsage(of cgroup: HostCgroup?) -> Trailer {
        guard let usage = cgroup?.usage() else { return self }
        var trailer = self
        (trailer.cpu, trailer.memoryPeak) = usage
        return trailer
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
