import Entitlements
import Foundation
import Logging
import NIOConcurrencyHelpers
import Storage

/// What a node reads and writes in the database.
struct NodeStore: Sendable {
    let database: Database
    let queue: ExecutionQueue
    /// The node's own; it keeps it when it starts again.
    let name: String
    let logger: Logger
    var watch: Node.StepWatch?

    /// For the image to be had.
    static let startLimit: Duration = .seconds(300)
    /// Beside what the execution's own limits say, for its end to be written.
    private static let slack: Duration = .seconds(300)

    func claim() async throws -> ExecutionQueue.Claim? {
        let claim = try await database.transaction(isolation: .readCommitted) { transaction in
            // Others end what is late: what takes its time, its own node ends.
            let claim = try await queue.claim(
                for: name, startingWithin: Self.startLimit + ExecutionLifecycle.startLimit + Self.slack,
                in: transaction)
            if let claim {
                try await audit("execution.claimed", claim.lease, ["fence": claim.lease.fence], transaction)
                watch?(.claiming, claim.lease.executionID)
            }
            return claim
        }
        if let claim { RunnerMetrics.claimed(createdAt: claim.execution.createdAt) }
        return claim
    }

    /// What this node has claimed and not ended, in this life or an earlier one.
    func held() async throws -> [ExecutionQueue.Claim] { try await queue.held(by: name, in: database) }

    /// - Returns: those that are still held, and for which of them an end has been asked for.
    func renew(_ leases: [ExecutionQueue.Lease]) async throws -> [ExecutionQueue.Lease: Cancellation?] {
        // Not after all that the API does: leases run out.
        try await database.transaction(isolation: .readCommitted, isUrgent: true) {
            try await queue.renew(leases, in: $0)
        }
    }

    func find(_ id: String) async throws -> StoredExecution? { try await queue.find(id, in: database) }

    func markRunning(_ lease: ExecutionQueue.Lease, _ launch: Launch, _ limits: Limits) async throws {
        let json = String(decoding: try JSONEncoder().encode(launch), as: UTF8.self)
        try await untilItPasses("a launch") {
            do {
                try await storeLaunch(lease, json, limits)
            } catch let error as QueueError where error.code == .leaseLost {
                // A commit whose answer was lost.
                let stored = try await find(lease.executionID)
                guard stored?.launch == json, stored?.fence == lease.fence, stored?.leaseHolder == name else {
                    throw error
                }
            }
        }
    }

    private func storeLaunch(_ lease: ExecutionQueue.Lease, _ json: String, _ limits: Limits) async throws {
        try await database.transaction(isolation: .readCommitted) { transaction in
            try await queue.markRunning(
                lease, launch: json, for: .seconds(limits.timeoutSeconds + limits.graceSeconds) + Self.slack,
                in: transaction)
            try await audit("execution.launched", lease, [:], transaction)
            watch?(.writingLaunch, lease.executionID)
        }
    }

    func markStopping(_ lease: ExecutionQueue.Lease, _ limits: Limits) async throws {
        try await database.transaction(isolation: .readCommitted) { transaction in
            let stored = try await queue.find(lease.executionID, locked: true, in: transaction)
            // One that was taken over may have been told before.
            if stored?.state == .stopping, stored?.fence == lease.fence, stored?.leaseHolder == name { return }
            try await queue.markStopping(lease, for: .seconds(limits.graceSeconds) + Self.slack, in: transaction)
            try await audit("execution.stopping", lease, [:], transaction)
        }
    }

    /// Tries for as long as the database is away.
    /// - Throws: `QueueError` with code `lease_lost`, or what will not pass.
    func finish(_ lease: ExecutionQueue.Lease, _ execution: Execution, receipt: ReceiptDraft? = nil) async throws {
        let ending = try execution.text
        let usage = execution.usage
        let stored = StoredUsage(
            wallMilliseconds: usage.wallMs, cpuMilliseconds: usage.cpuMs, maxMemoryBytes: Int(usage.maxMemoryBytes),
            logBytes: Int(usage.logBytes), egressBytes: Int(usage.egressBytes))
        try await untilItPasses("an ending") {
            do {
                try await database.transaction(isolation: .readCommitted) { transaction in
                    guard let before = try await queue.find(lease.executionID, locked: true, in: transaction) else {
                        throw QueueError.leaseLost(lease)
                    }
                    try await queue.finish(
                        lease, as: execution.status.stored, ending: ending, usage: stored, in: transaction)
                    try await ExecutionEnd.record(
                        before, execution, usage: stored, receipt: receipt, actor: name, in: transaction)
                    watch?(.writingEnding, lease.executionID)
                }
            } catch let error as QueueError where error.code == .leaseLost {
                // A commit whose answer was lost.
                guard try await find(lease.executionID)?.ending == ending else { throw error }
            }
        }
        RunnerMetrics.ended(execution.status, execution.reason)
    }

    /// Ends what nobody looks after any more, one by one: what cannot be ended must not keep the others.
    /// - Parameters:
    ///   - active: what this process looks after.
    ///   - holder: whose executions are let be.
    func endOverdue(except active: Set<String>, of holder: String?) async throws {
        var left = active
        while true {
            let overdue = try await queue.overdue(except: left, of: holder, in: database)
            if overdue.isEmpty { return }
            for execution in overdue {
                do {
                    if try await !endOverdue(execution) { left.insert(execution.id) }
                } catch {
                    left.insert(execution.id)
                    logger.error(
                        "an execution cannot be ended", metadata: ["execution": "\(execution.id)", "error": "\(error)"])
                }
            }
        }
    }

    /// - Parameter why: why one that was claimed is lost.
    /// - Returns: false when it is overdue no more.
    @discardableResult
    func endOverdue(_ execution: StoredExecution, why: String = "the runner that had it has gone") async throws -> Bool
    {
        let (status, reason, message): (Execution.Status, Execution.Reason, String) =
            execution.state == .queued
            ? (.canceled, .canceled, "no runner was free for it in time") : (.lost, .runnerLost, why)
        // A request that cannot be read has an end too.
        let ended = Execution.ended(execution, status, reason, message)
        let isEnded: Bool
        do {
            isEnded = try await endOverdue(execution, ended, status.stored, isSettled: true)
        } catch let error where !error.mayPass {
            // It must not take up a place for ever. Somebody has to look at its reservation.
            isEnded = try await endOverdue(execution, ended, status.stored, isSettled: false)
            logger.error(
                "an execution was not settled: what was reserved for it stays reserved",
                metadata: ["execution": "\(execution.id)", "error": "\(error)"])
        }
        if isEnded { RunnerMetrics.ended(status, reason) }
        return isEnded
    }

    private func endOverdue(
        _ execution: StoredExecution, _ ended: Execution?, _ state: ExecutionState, isSettled: Bool
    ) async throws -> Bool {
        let ending = try ended.text
        return try await database.transaction(isolation: .readCommitted) { transaction in
            let isEnded = try await queue.endOverdue(execution, as: state, ending: ending, in: transaction)
            if isEnded {
                try await ExecutionEnd.record(execution, ended, isSettled: isSettled, actor: name, in: transaction)
            }
            return isEnded
        }
    }

    private func audit(
        _ action: String, _ lease: ExecutionQueue.Lease, _ detail: [String: Int], _ transaction: Transaction
    ) async throws {
        try await AuditLog.append(
            actor: name, action: action, subject: lease.executionID,
            detail: JSONValue.object(detail.mapValues { .integer(Int64($0)) }).text, in: transaction)
    }

    /// Runs it again while the database is away.
    func untilItPasses(_ what: String, _ body: () async throws -> Void) async throws {
        var backoff = Backoff(first: .milliseconds(50), longest: .seconds(2))
        while true {
            do {
                return try await body()
            } catch let error as DatabaseError where error.mayPass {
                logger.warning("\(what) is not stored yet", metadata: ["error": "\(error)"])
                try await Task.sleep(for: backoff.next())
            }
        }
    }
}

extension Execution.Status {
    var stored: ExecutionState {
        switch self {
        case .queued: .queued
        case .starting: .starting
        case .running: .running
        case .stopping: .stopping
        case .succeeded: .succeeded
        case .failed: .failed
        case .canceled: .canceled
        case .timedOut: .timedOut
        case .lost: .lost
        }
    }
}

extension Execution {
    /// One that was not run to its end here.
    static func ended(
        _ stored: StoredExecution, _ status: Status, _ reason: Reason, _ message: String
    ) -> Execution? {
        guard let id = ExecutionID(stored.id),
            let ticket = try? JSONDecoder().decode(ExecutionTicket.self, from: Data(stored.request.utf8))
        else { return nil }
        var execution = Execution(
            id: id, agentID: ticket.agentID, userID: ticket.userID, image: ticket.image, status: status,
            createdAt: stored.createdAt, limits: ticket.limits)
        execution.reason = reason
        execution.message = message
        execution.startedAt = stored.startedAt
        execution.finishedAt = Date()
        execution.take(ticket)
        return execution
    }

    /// The document as it is stored.
    var text: String { get throws { String(decoding: try serialized(isPretty: false), as: UTF8.self) } }
}

extension Execution? {
    /// A request that cannot be read has an end too.
    var text: String { get throws { try self?.text ?? "{}" } }
}
