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
            let lost = await pump(prepared.frames, of: prepared.cgroup, feed)
            // A start that failed says why; the streams that end with it do not.
            await started
            feed.yield(await afterTheStreams(prepared.sandbox, lost))
        } onCancel: {
            prepared.starting.cancel()
        }
    }

    func followAndPump(_ launch: Launch, _ feed: Feed) async {
        let sandbox = Sandbox(client: host.client, containerID: launch.containerID, streams: nil)
        do {
            let cgroup = request.runtime.kernel == .gvisor ? try? await host.cgroup(of: launch.containerID) : nil
            var frames = try await host.client.containerLogs(launch.containerID, follow: true).makeAsyncIterator()
            for _ in 0..<launch.reports { _ = try await SandboxReport.read(from: &frames) }
            let lost = await pump(frames, of: cgroup, feed)
            feed.yield(await afterTheLog(sandbox, lost))
        } catch let error as SandboxReport.Missing {
            feed.yield(await afterTheLog(sandbox, error.description))
        } catch {
            feed.yield(await failure(error))
        }
    }

    private func afterTheLog(_ sandbox: Sandbox, _ lost: String?) async -> ExecutionLifecycle.Event {
        let event = await afterTheStreams(sandbox, lost)
        guard case .connectionLost = event else { return event }
        // Where the frame did not arrive whole, nothing has run; whether it did, nobody can say any more.
        return .failed(.runnerLost, "the runner went away, and what it ran left no result")
    }

    /// - Parameter cgroup: where the sandbox cannot see its own.
    /// - Returns: what broke off; nil when everything has come.
    private func pump(_ frames: LogFrames.AsyncIterator, of cgroup: HostCgroup?, _ feed: Feed) async -> String? {
        var pump = OutputPump(nonce: nonce, limits: request.limits, sink: sink, trace: trace) { event in
            switch event {
            case .trailer(let trailer):
                trace.mark(.trailer)
                feed.yield(.trailer(trailer.withUsage(of: cgroup)))
            case .complete:
                trace.mark(.drained)
                feed.yield(.outputComplete)
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
        case let error as SandboxEnded: return await afterTheStreams(error.sandbox, error.message)
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
