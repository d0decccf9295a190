import DockerAPI
import Entitlements
import Foundation
public import Logging
import NIOConcurrencyHelpers
public import Storage

/// Runs what is in the queue on this host's Engine, until it is told to stop.
public final class Node: Sendable {
    /// Told of each step of each execution, by the execution's id; the execution waits for its return.
    public typealias StepWatch = @Sendable (_ step: ExecutionStep, _ execution: String) -> Void

    public struct Configuration: Sendable {
        /// Executions at once.
        public var slots = 8
        public var queue = ExecutionQueue.Configuration()
        /// How long running executions may go on once the node stops; then they are left to the next one.
        public var stopLimit: Duration = .seconds(30)
        /// Of sandboxes that are prepared ahead; nil for none.
        public var pool: SandboxPool.Configuration?
        /// From one look at the Engine and the queue to the next.
        public var reconcileInterval: Duration = .seconds(60)
        /// Which logs are kept.
        public var retention = LogRetention.Limits()
        /// nil but for tests.
        public var watch: StepWatch?

        public init() {}
    }

    /// For the logs that wait to be stored when the node stops.
    private static let flushLimit: Duration = .seconds(5)

    private struct Active {
        let lease: ExecutionQueue.Lease
        var control: ExecutionControl
        let grace: Duration
        var isCancelled = false
    }

    private struct State {
        var claiming: Task<Void, Never>?
        var active: [String: Active] = [:]
        var isStopping = false
        var leavesAtOnce = false
    }

    public let logs: LogHub
    /// nil where the configuration has none.
    public let pool: SandboxPool?
    private let host: RunnerHost
    private let store: NodeStore
    private let trail: AuditTrail
    private let signer: ReceiptSigner
    private let configuration: Configuration
    private let logger: Logger
    private let state = NIOLockedValueBox(State())
    private let wake = Wake()
    /// Of the state folder. Held for as long as anything here may still run.
    private let lock = NIOLockedValueBox<FileLock?>(nil)

    /// - Parameter host: its state folder names the node.
    public init(host: RunnerHost, database: Database, configuration: Configuration = Configuration(), logger: Logger) {
        self.host = host
        self.configuration = configuration
        self.logger = logger
        logs = LogHub(database, logger: logger)
        pool = configuration.pool.map { SandboxPool(host: host, configuration: $0, isOfNode: true, logger: logger) }
        trail = AuditTrail(database)
        signer = ReceiptSigner(
            logs: logs.repository, keys: KeyFolder(stateFolder: host.folder.path), logger: logger)
        store = NodeStore(
            database: database, queue: ExecutionQueue(configuration.queue), name: "node-\(host.folder.id)",
            logger: logger, watch: configuration.watch)
    }

    /// Claims nothing more. ``run()`` returns when what runs has ended, or ``Configuration/stopLimit`` has passed: what
    /// still runs goes on in the Engine, and the next node with this state folder takes it over. Called a second time, it
    /// leaves all of that to the next one at once.
    public func stop() {
        let leavesAtOnce = state.withLockedValue { state in
            state.leavesAtOnce = state.isStopping
            state.isStopping = true
            return state.leavesAtOnce
        }
        if leavesAtOnce { logger.info("leaving at once") } else { logger.info("stopping") }
        state.withLockedValue { $0.claiming }?.cancel()
        wake.up()
        pool?.stop()
    }

    /// Takes over what an earlier life has left, then claims and runs. Cancelling its task is as ``stop()``, twice.
    /// - Throws: `StateFolder.Failure` when another node uses the state folder, ``KeyFolder/Failure`` for a key that
    ///   receipts cannot be signed with.
    public func run() async throws {
        let held = try host.folder.lockNode()
        lock.withLockedValue { $0 = held }
        // Without it no execution would have a receipt: not found out when the first one has ended.
        _ = try KeyFolder(stateFolder: host.folder.path).signingKey()
        let storing = Task { await logs.run() }
        let preparing = Task { await pool?.run() }
        let claiming = Task { await claimAgainAndAgain() }
        state.withLockedValue { $0.claiming = claiming }
        if isStopping { claiming.cancel() }
        await withTaskCancellationHandler {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await self.renewLeases() }
                group.addTask { await self.reconcileAgainAndAgain() }
                group.addTask { await self.listen(ExecutionQueue.submitted) { _ in } }
                group.addTask { await self.listen(ExecutionQueue.cancelRequested) { await self.hearCancel($0) } }
                group.addTask { await self.sealAgainAndAgain() }
                await claiming.value
                await waitForActive()
                await preparing.value
                group.cancelAll()
            }
        } onCancel: {
            stop()
            stop()
        }
        await cleanUp()
        logs.journal.close()
        // What a database that is away does not take, the next node reads from the Engine's own log.
        let timer = Task {
            let deadline = ContinuousClock.now + Self.flushLimit
            while ContinuousClock.now < deadline, !state.withLockedValue({ $0.leavesAtOnce }) {
                try await Task.sleep(for: .milliseconds(100))
            }
            storing.cancel()
        }
        await storing.value
        timer.cancel()
    }

    private var isStopping: Bool { state.withLockedValue { $0.isStopping } }

    // MARK: Claiming

    private func claimAgainAndAgain() async {
        var hasInherited = false
        while !isStopping {
            do {
                // What is claimed while the Engine is away could only fail.
                _ = try await host.client.ping()
                if !hasInherited { try await inherit() }
                hasInherited = true
                while !isStopping, state.withLockedValue({ $0.active.count }) < configuration.slots,
                    let claim = try await store.claim()
                {
                    begin(claim)
                }
            } catch {
                // It may have been claimed all the same.
                hasInherited = false
                if !isStopping { logger.warning("nothing can be claimed", metadata: ["error": "\(error)"]) }
            }
            await wake.wait(atMost: .seconds(1))
        }
    }

    /// Takes up what is ours and not looked after. First the user ids of what runs: no new sandbox may have them.
    private func inherit() async throws {
        let known = state.withLockedValue { Set($0.active.keys) }
        let claims = try await store.held().filter { !known.contains($0.lease.executionID) }
        for claim in claims {
            guard let uid = try? claim.launch?.uid, let user = try? host.folder.lockUser(uid: uid) else { continue }
            host.keep(user)
        }
        for claim in claims { begin(claim) }
    }

    /// Runs what was claimed, in a task of its own. One that this process runs already is let be.
    private func begin(_ claim: ExecutionQueue.Claim) {
        let id = claim.lease.executionID
        guard let ticket = try? JSONDecoder().decode(ExecutionTicket.self, from: Data(claim.execution.request.utf8)),
            let execution = ExecutionID(id)
        else {
            return logger.error("an execution cannot be read", metadata: ["execution": "\(id)"])
        }
        let control = ExecutionControl()
        let isNew = state.withLockedValue { state in
            guard state.active[id] == nil else { return false }
            state.active[id] = Active(
                lease: claim.lease, control: control, grace: .seconds(ticket.limits.graceSeconds))
            RunnerMetrics.running(state.active.count)
            return true
        }
        guard isNew else { return }
        Task {
            await lookAfter(claim, control) { claim in
                NodeJob(execution: execution, claim: claim, ticket: ticket, host: host, pool: pool, store: store)
            }
            state.withLockedValue { state in
                state.active.removeValue(forKey: id)
                RunnerMetrics.running(state.active.count)
            }
            wake.up()
        }
    }

    /// Runs an execution to its end, and takes it up again where that could not be written down or the Engine went away.
    private func lookAfter(
        _ claim: ExecutionQueue.Claim, _ control: ExecutionControl, _ job: (ExecutionQueue.Claim) -> NodeJob
    ) async {
        let id = claim.lease.executionID
        var backoff = Backoff(first: .milliseconds(200), longest: .seconds(5))
        var (claim, control) = (claim, control)
        while true {
            if let cancellation = claim.execution.cancellation { cancel(id, cancellation) }
            let mayPass: Bool
            do {
                return try await job(claim).run(logs, control)
            } catch let error as QueueError where error.code == .leaseLost {
                return logger.warning("an execution was ended by somebody else", metadata: ["execution": "\(id)"])
            } catch {
                logger.warning("an execution is taken up again", metadata: ["execution": "\(id)", "error": "\(error)"])
                mayPass = error.mayPass || (error as? DockerError)?.isEngineAway == true
            }
            repeat {
                guard !isStopping else { return }
                try? await Task.sleep(for: backoff.next())
                guard let held = try? await store.held() else { continue }
                guard let again = held.first(where: { $0.lease == claim.lease }) else { return }
                claim = again
                break
            } while true
            if !mayPass, await isLost(claim.execution) { return }
            // Of the old one, events may be left.
            control = ExecutionControl()
            state.withLockedValue { state in
                state.active[id]?.control = control
                state.active[id]?.isCancelled = false
            }
        }
    }

    /// Ends one that cannot be brought to its end, once its time is over. Its sandbox has no owner then.
    private func isLost(_ execution: StoredExecution) async -> Bool {
        do {
            return try await store.endOverdue(execution, why: "it could not be brought to its end: see its node's log")
        } catch {
            logger.error(
                "an execution cannot be ended", metadata: ["execution": "\(execution.id)", "error": "\(error)"])
            return false
        }
    }

    /// What it is asked for is in the database.
    private func hearCancel(_ id: String) async {
        guard state.withLockedValue({ $0.active[id] }) != nil else { return }
        // A database that is away at this moment is asked again with the next heartbeat.
        if let cancellation = try? await store.find(id)?.cancellation { cancel(id, cancellation) }
    }

    private func cancel(_ id: String, _ cancellation: Cancellation) {
        let active: Active? = state.withLockedValue { state in
            guard let active = state.active[id], !active.isCancelled else { return nil }
            state.active[id]?.isCancelled = true
            return active
        }
        guard let active else { return }
        active.control.cancel(
            grace: cancellation.grace ?? active.grace, why: ExecutionCanceller.message(cancellation.reason))
    }

    // MARK: Looking after

    private func renewLeases() async {
        while !Task.isCancelled {
            var pause = configuration.queue.lease / 3
            let leases = state.withLockedValue { $0.active.values.map(\.lease) }
            do {
                let held = try await store.renew(leases)
                for lease in leases {
                    if let asked = held[lease] {
                        if let cancellation = asked { cancel(lease.executionID, cancellation) }
                        continue
                    }
                    // Its ending may just have been written. Otherwise somebody has ended it in our place.
                    let active = state.withLockedValue { $0.active[lease.executionID] }
                    if active?.lease == lease { active?.control.kill(why: "its lease was lost") }
                }
            } catch {
                logger.warning("leases were not renewed", metadata: ["error": "\(error)"])
                pause = min(pause, .seconds(1))
            }
            try? await Task.sleep(for: pause)
        }
    }

    private func reconcileAgainAndAgain() async {
        while !Task.isCancelled {
            do {
                try await reconcile()
            } catch {
                logger.warning("could not reconcile", metadata: ["error": "\(error)"])
            }
            do {
                try await LogRetention(repository: logs.repository, limits: configuration.retention).run()
            } catch {
                logger.warning("old logs were not dropped", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: configuration.reconcileInterval)
        }
    }

    /// Chains what was written into the audit trail, and signs the receipts of what has ended.
    private func sealAgainAndAgain() async {
        while !Task.isCancelled {
            do {
                // More at once than one transaction takes.
                if try await trail.seal() + signer.sign() > 0 { continue }
            } catch {
                logger.warning("audit trail and receipts wait", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: .seconds(1))
        }
    }

    /// Takes over what is ours and not looked after, ends what nobody looks after, and removes sandboxes without an
    /// owner.
    private func reconcile() async throws {
        if !isStopping { try await inherit() }
        let active = state.withLockedValue { Set($0.active.keys) }
        // While it stops, its own are the next one's.
        try await store.endOverdue(except: active, of: isStopping ? store.name : nil)
        try await removeOwnerless()
    }

    private func removeOwnerless() async throws {
        for sandbox in try await host.fencedSandboxes() {
            if state.withLockedValue({ $0.active[sandbox.execution] }) != nil { continue }
            let stored = try await store.find(sandbox.execution)
            if let stored, stored.finishedAt == nil, stored.fence == sandbox.fence, stored.leaseHolder == store.name {
                continue
            }
            logger.info("removing a sandbox without an owner", metadata: ["execution": "\(sandbox.execution)"])
            await host.remove(sandbox)
        }
        try await removeOwnerlessPrepared()
        // What else an earlier life has left: its file, its sockets.
        for failure in try await host.reap().failed {
            logger.warning("a container without an owner was not removed", metadata: ["error": "\(failure)"])
        }
    }

    private func removeOwnerlessPrepared() async throws {
        let prepared = try await host.ownerlessPrepared()
        if prepared.isEmpty { return }
        let launched = try await store.held().compactMap { try $0.launch?.containerID }
        for id in prepared where !launched.contains(id) { await host.removeContainer(id) }
    }

    private func listen(_ channel: StaticString, _ heard: @escaping @Sendable (String) async -> Void) async {
        while !Task.isCancelled {
            do {
                try await store.database.withNotifications(channel) { notifications in
                    for try await notification in notifications {
                        if case .message(let text) = notification { await heard(text) }
                        wake.up()
                    }
                }
            } catch {
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    // MARK: Stopping

    /// Removes what earlier lives have left in the state folder, which was in use until what was taken over had ended;
    /// and sandboxes prepared ahead that came to be after the last look: the Engine goes on with what it was asked for
    /// when the process that asked has died.
    private func cleanUp() async {
        if state.withLockedValue({ $0.leavesAtOnce }) { return }
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                try? await self.removeOwnerlessPrepared()
                _ = try? await self.host.reap()
            }
            group.addTask { try? await Task.sleep(for: Self.flushLimit) }
            await group.next()
            group.cancelAll()
        }
    }

    private func waitForActive() async {
        let deadline = ContinuousClock.now + configuration.stopLimit
        while state.withLockedValue({ !$0.active.isEmpty && !$0.leavesAtOnce }), ContinuousClock.now < deadline {
            await wake.wait(atMost: min(.seconds(1), deadline - .now))
        }
    }
}
