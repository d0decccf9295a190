import DockerAPI
import Entitlements
import Foundation
public import Logging
import NIOConcurrencyHelpers

/// Sandboxes that are prepared ahead, each for one execution.
///
/// They are made on the path of every sandbox, and verified again when they are taken. While an execution starts, none is
/// begun.
public final class SandboxPool: Sendable {
    struct Order {
        let kind: SandboxKind
        let limits: Limits
    }

    private struct State {
        var plan: PoolPlan<SandboxKind>
        /// Of the last launch.
        var limits: [SandboxKind: Limits] = [:]
        var ready: [SandboxKind: [PreparedSandbox]] = [:]
        var preparing: [SandboxKind: Int] = [:]
        /// Kinds that could not be prepared, and when to try again.
        var retries: [SandboxKind: (at: ContinuousClock.Instant, pause: Duration)] = [:]
        var removing = 0
        var starts = 0
        var isStopped = false
        var counts = Snapshot()
    }

    /// Longest time from a change that nobody tells of, such as age, to what follows from it.
    private static let interval: Duration = .seconds(1)
    private static let longestPause: Duration = .seconds(60)
    /// For what waits to be removed.
    private static let stopLimit: Duration = .seconds(5)

    private let host: RunnerHost
    private let configuration: Configuration
    private let labels: [String: String]
    private let logger: Logger
    private let state: NIOLockedValueBox<State>
    private let wake = Wake()

    /// - Parameter isOfNode: whether a node looks after what is left of it.
    public init(host: RunnerHost, configuration: Configuration, isOfNode: Bool, logger: Logger) {
        self.host = host
        self.configuration = configuration
        labels = isOfNode ? host.labels.merging([RunnerHost.Label.pool: "node"]) { $1 } : host.labels
        self.logger = logger
        state = NIOLockedValueBox(State(plan: PoolPlan(configuration)))
    }

    var verifyLimit: Duration { configuration.verifyLimit }

    public func snapshot() -> Snapshot {
        state.withLockedValue { state in
            var counts = state.counts
            counts.size = state.ready.values.reduce(0) { $0 + $1.count }
            counts.preparing = state.preparing.values.reduce(0, +)
            return counts
        }
    }

    // MARK: Preparing

    /// Prepares what is in demand, until ``stop()`` or the task is cancelled; then removes what waits.
    public func run() async {
        await withTaskCancellationHandler {
            await withDiscardingTaskGroup { group in
                while !isStopped {
                    let (orders, wasted) = nextStep(at: .now)
                    measure(wasted)
                    for (prepared, _) in wasted { group.addTask { await self.remove(prepared) } }
                    for order in orders { group.addTask { await self.carryOut(order) } }
                    await wake.wait(atMost: Self.interval)
                }
                for prepared in takeAll() { group.addTask { await self.remove(prepared) } }
                await waitUntilIdle(atMost: Self.stopLimit)
                // What is left ends by itself with this process, and the next one removes it.
                group.cancelAll()
            }
        } onCancel: {
            stop()
        }
    }

    /// Prepares nothing more. What waits is removed by ``run()``.
    public func stop() {
        state.withLockedValue { $0.isStopped = true }
        wake.up()
    }

    /// Prepares so many for executions like this one, whatever the demand.
    /// - Throws: the first failure; what was prepared waits.
    public func prepare(_ count: Int, for request: ExecutionRequest) async throws {
        let kind = try await SandboxKind(request, host: host, keepsLog: false)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<count {
                if number >= configuration.parallel { try await group.next() }
                group.addTask { try await self.prepareOne(kind, request.limits) }
            }
            try await group.waitForAll()
        }
    }

    /// Removes what waits.
    public func drain() async {
        stop()
        await withDiscardingTaskGroup { group in
            for prepared in takeAll() { group.addTask { await self.remove(prepared) } }
        }
    }

    private func waitUntilIdle(atMost limit: Duration) async {
        let deadline = ContinuousClock.now + limit
        while state.withLockedValue({ !$0.preparing.isEmpty || $0.removing > 0 }), ContinuousClock.now < deadline {
            await wake.wait(atMost: deadline - .now)
        }
    }

    private var isStopped: Bool { state.withLockedValue { $0.isStopped } }

    private func takeAll() -> [PreparedSandbox] {
        state.withLockedValue { state in
            let all = state.ready.values.flatMap { $0 }
            state.ready = [:]
            state.counts.wasted[.stop, default: 0] += all.count
            RunnerMetrics.wasted(.stop, all.count)
            state.removing += all.count
            return all
        }
    }

    /// What to begin and what to remove now. Whoever asks carries it out.
    func nextStep(at now: ContinuousClock.Instant) -> (orders: [Order], wasted: [(PreparedSandbox, Waste)]) {
        state.withLockedValue { state in
            state.plan.forget(at: now)
            let wanted = state.plan.wanted(at: now)
            var wasted: [(PreparedSandbox, Waste)] = []
            for (kind, ready) in state.ready {
                var kept: [PreparedSandbox] = []
                // The youngest stay.
                for prepared in ready.reversed() {
                    if let cause = why(prepared, mustGoAt: now) {
                        wasted.append((prepared, cause))
                    } else if kept.count >= wanted[kind] ?? 0 {
                        wasted.append((prepared, .surplus))
                    } else {
                        kept.append(prepared)
                    }
                }
                state.ready[kind] = kept.isEmpty ? nil : kept.reversed()
            }
            for (_, cause) in wasted { state.counts.wasted[cause, default: 0] += 1 }
            state.removing += wasted.count
            state.limits = state.limits.filter { wanted[$0.key] != nil || state.preparing[$0.key] != nil }
            return (orders(&state, wanted, now), wasted)
        }
    }

    private func measure(_ wasted: [(PreparedSandbox, Waste)]) {
        for (_, cause) in wasted { RunnerMetrics.wasted(cause) }
        RunnerMetrics.waiting(state.withLockedValue { $0.ready.values.reduce(0) { $0 + $1.count } })
    }

    private func why(_ prepared: PreparedSandbox, mustGoAt now: ContinuousClock.Instant) -> Waste? {
        if !prepared.isOpen { return .ended }
        return prepared.preparedAt.duration(to: now) > configuration.age ? .age : nil
    }

    private func orders(
        _ state: inout State, _ wanted: [SandboxKind: Int], _ now: ContinuousClock.Instant
    ) -> [Order] {
        var orders: [Order] = []
        while state.starts == 0, state.preparing.values.reduce(0, +) < configuration.parallel {
            let missing = wanted.compactMap { kind, count -> (kind: SandboxKind, count: Int)? in
                let missing = count - (state.ready[kind]?.count ?? 0) - (state.preparing[kind] ?? 0)
                if let retry = state.retries[kind], retry.at > now { return nil }
                return missing > 0 ? (kind, missing) : nil
            }
            guard let next = missing.max(by: { $0.count < $1.count }), let limits = state.limits[next.kind] else {
                break
            }
            state.preparing[next.kind, default: 0] += 1
            orders.append(Order(kind: next.kind, limits: limits))
        }
        return orders
    }

    private func carryOut(_ order: Order) async {
        do {
            try await prepareOne(order.kind, order.limits)
            state.withLockedValue { _ = $0.retries.removeValue(forKey: order.kind) }
        } catch {
            logger.warning("a sandbox could not be prepared ahead", metadata: ["error": "\(error)"])
            state.withLockedValue { state in
                let pause = min((state.retries[order.kind]?.pause ?? .milliseconds(500)) * 2, Self.longestPause)
                state.retries[order.kind] = (.now + pause, pause)
                if let error = error as? DockerError, error.isImageGone { state.plan.drop(order.kind) }
            }
        }
        state.withLockedValue { state in
            let left = (state.preparing[order.kind] ?? 1) - 1
            state.preparing[order.kind] = left > 0 ? left : nil
        }
        wake.up()
    }

    private func prepareOne(_ kind: SandboxKind, _ limits: Limits) async throws {
        let began = ContinuousClock.now
        let name = "paddock-prepared-" + LaunchFrame.makeNonce()
        let care = host.facts.lookAfter(name)
        let user = try host.folder.lockUser()
        let preparation = SandboxPreparation(
            host: host, kind: kind, limits: limits, user: user, name: name, labels: labels, care: care)
        let prepared: PreparedSandbox
        do {
            prepared = try await preparation.prepare(StageTrace())
            try await prepared.starting.value
        } catch {
            // Apart from this task, so that cancelling it leaves nothing behind.
            await Task { await remove(container: name, user) }.value
            state.withLockedValue { $0.counts.failed += 1 }
            RunnerMetrics.preparationFailed()
            throw error
        }
        RunnerMetrics.prepared(in: began.duration(to: .now))
        let isTooLate = state.withLockedValue { state in
            state.counts.prepared += 1
            state.counts.preparationTime += began.duration(to: .now)
            guard !state.isStopped else {
                state.counts.wasted[.stop, default: 0] += 1
                state.removing += 1
                return true
            }
            state.ready[kind, default: []].append(prepared)
            return false
        }
        if isTooLate { await remove(prepared) }
    }

    // MARK: Taking

    /// While it is held, an execution starts, and nothing is begun to be prepared.
    final class Start: Sendable {
        private let pool: SandboxPool

        fileprivate init(_ pool: SandboxPool) {
            self.pool = pool
            pool.state.withLockedValue { $0.starts += 1 }
        }

        deinit {
            pool.state.withLockedValue { $0.starts -= 1 }
            pool.wake.up()
        }
    }

    func beginStart() -> Start { Start(self) }

    /// The one of this kind that has waited longest, and of those with these limits if there are any. Nobody else gets it.
    /// - Returns: nil where none is ready, which is a miss.
    func take(_ kind: SandboxKind, _ limits: Limits, agentID: String) -> PreparedSandbox? {
        let now = ContinuousClock.now
        return state.withLockedValue { state in
            state.plan.launched(
                kind, bounds: configuration.agents[agentID] ?? configuration.bounds,
                memoryMiB: kind.runtime.waitingMiB, at: now)
            state.limits[kind] = limits
            let ready = state.ready[kind] ?? []
            let usable = ready.indices.filter { why(ready[$0], mustGoAt: now) == nil }
            let same = usable.first { ready[$0].policy.limits.haveSameCgroup(as: limits) }
            guard let index = same ?? usable.first else {
                state.counts.misses += 1
                RunnerMetrics.launched(isWarm: false)
                return nil
            }
            return state.ready[kind]?.remove(at: index)
        }
    }

    func countHit() {
        state.withLockedValue { $0.counts.hits += 1 }
        RunnerMetrics.launched(isWarm: true)
    }

    /// One that was taken cannot be used. The execution goes on without waiting for its removal.
    func refuse(_ prepared: PreparedSandbox, because error: any Error) {
        logger.warning("a prepared sandbox was not used", metadata: ["error": "\(error)"])
        state.withLockedValue { state in
            state.counts.misses += 1
            state.counts.wasted[.refused, default: 0] += 1
            state.removing += 1
        }
        RunnerMetrics.wasted(.refused)
        RunnerMetrics.launched(isWarm: false)
        Task { await remove(prepared) }
    }

    // MARK: Removing

    private func remove(_ prepared: PreparedSandbox) async {
        await remove(container: prepared.name, prepared.user)
        withExtendedLifetime(prepared.care) {}
        state.withLockedValue { $0.removing -= 1 }
        wake.up()
    }

    /// A container that cannot be removed keeps its user id: it may still run under it. Whoever reaps finds it.
    private func remove(container name: String, _ user: SandboxUser) async {
        do {
            try await host.removeSandbox(named: name)
        } catch {
            host.keep(user)
        }
    }
}
