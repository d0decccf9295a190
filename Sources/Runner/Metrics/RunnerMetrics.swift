import Entitlements
import Foundation
import Metrics
public import Storage

/// The measuring points of executions. Labels are names of the contract's, so their number is bounded.
public enum RunnerMetrics {
    /// A part of an execution's way. Each ends where the next one begins.
    enum Stage: String, Sendable {
        /// Waiting for a node.
        case queue
        /// The sandbox is made, up to its init's report, or one that was prepared ahead is taken.
        case prepare
        /// Its init reports, and what the kernel holds is compared with the policy.
        case verify
        /// From then on until the agent has its input.
        case launch
        /// The agent runs.
        case run
        /// From the agent's end until log, result and usage are stored.
        case end
        /// The sandbox is removed.
        case remove
    }

    /// Gauges that are 0 until something happens are there from the start.
    public static func begin() {
        for label in ["paddock.executions.active", "paddock.log.followers", "paddock.pool.size"] {
            _ = Meter(label: label)
        }
    }

    static func spent(_ duration: Duration, in stage: Stage) {
        Timer(label: "paddock.execution.stage.duration", dimensions: [("stage", stage.rawValue)])
            .record(duration: max(.zero, duration))
    }

    /// An execution was claimed.
    static func claimed(createdAt: Date) {
        spent(.seconds(Date().timeIntervalSince(createdAt)), in: .queue)
    }

    /// An execution's end is stored.
    static func ended(_ status: Execution.Status, _ reason: Execution.Reason?) {
        Counter(
            label: "paddock.executions.ended",
            dimensions: [("status", status.rawValue), ("reason", reason?.rawValue ?? "none")]
        ).increment()
    }

    static func admitted() { Counter(label: "paddock.admissions").increment() }

    static func denied(_ denial: Denial) {
        Counter(
            label: "paddock.admission.denials",
            dimensions: [("rule", denial.rule?.name ?? "none"), ("code", denial.code.rawValue)]
        ).increment()
    }

    /// How long each stage took, of an execution that has ended.
    static func spent(_ trace: StageTrace) {
        let at = Dictionary(uniqueKeysWithValues: trace.marks.map { ($0.stage, $0.at) })
        func record(_ stage: Stage, from: Duration?, to: Duration?) {
            if let from, let to { spent(to - from, in: stage) }
        }
        let ready = at[.taken] ?? at[.reported]
        let verified = at[.checked] ?? at[.verified]
        record(.prepare, from: .zero, to: ready)
        record(.verify, from: ready, to: verified)
        record(.launch, from: verified, to: at[.launched])
        record(.run, from: at[.launched], to: at[.trailer])
        record(.end, from: at[.trailer], to: at[.accounted])
        record(.remove, from: at[.accounted], to: at[.removed])
    }

    /// An execution was launched in a sandbox that was prepared ahead, or had to wait for its own.
    static func launched(isWarm: Bool) {
        Counter(label: "paddock.pool.launches", dimensions: [("start", isWarm ? "warm" : "cold")]).increment()
    }

    static func prepared(in duration: Duration) {
        Timer(label: "paddock.pool.preparation.duration").record(duration: duration)
    }

    static func preparationFailed() { Counter(label: "paddock.pool.preparation.failures").increment() }

    static func wasted(_ cause: SandboxPool.Waste, _ count: Int = 1) {
        guard count > 0 else { return }
        Counter(label: "paddock.pool.wasted", dimensions: [("cause", cause.rawValue)]).increment(by: count)
    }

    static func waiting(_ count: Int) { Meter(label: "paddock.pool.size").set(count) }

    static func stored(logBytes: Int64) { Counter(label: "paddock.log.bytes").increment(by: logBytes) }

    static func running(_ count: Int) { Meter(label: "paddock.executions.active").set(count) }

    /// Somebody who follows a log, for as long as it lives.
    final class Follower: Sendable {
        init() { Meter(label: "paddock.log.followers").increment() }
        deinit { Meter(label: "paddock.log.followers").decrement() }
    }

    /// Brings the queue's gauges up to date; they are NaN while the database is away.
    public static func measureQueue(of database: Database) async {
        let load = try? await ExecutionQueue().load(in: database)
        Meter(label: "paddock.queue.depth").set(load.map { Double($0.depth) } ?? .nan)
        Meter(label: "paddock.queue.oldest.age.seconds").set(load.map { $0.oldest / .seconds(1) } ?? .nan)
    }
}
