import Crypto
public import Entitlements
import Foundation
import NIOConcurrencyHelpers
public import Storage

/// Executions, for whoever asks for them: submitted, looked at, waited for, canceled. Who may see one is the caller's to
/// say, with the user's id.
public final class ExecutionService: Sendable {
    public struct Configuration: Sendable {
        public var admission = Admission.Configuration()
        /// Private ranges that allowed hosts may be in, as CIDR: the operator's choice.
        public var allowPrivate: [String] = []
        /// Longest time in the queue.
        public var patience: Duration = .seconds(3600)

        public init() {}
    }

    let database: Database
    let queue: ExecutionQueue
    let watch: ExecutionWatch
    private let hub: LogHub
    private let runtimes: RuntimeCatalogue
    private let admission: Admission
    private let configuration: Configuration
    private let bell: SubmissionBell
    private let secrets: SecretBox
    /// Keys whose requests are being answered here.
    private let inFlight = NIOLockedValueBox<Set<String>>([])

    public init(
        database: Database, host: RunnerHost, logs: LogHub, watch: ExecutionWatch,
        configuration: Configuration = Configuration()
    ) {
        self.database = database
        self.watch = watch
        self.configuration = configuration
        hub = logs
        runtimes = RuntimeCatalogue(host)
        queue = ExecutionQueue(configuration.admission.queue)
        admission = Admission(configuration.admission)
        bell = SubmissionBell(database)
        secrets = SecretBox(stateFolder: host.folder.path)
    }

    // MARK: Submitting

    /// What came of a submission.
    public struct Submitted: Sendable {
        public let execution: StoredExecution
        /// Whether it is the first answer to the same `Idempotency-Key` again.
        public let isReplayed: Bool
    }

    /// Decides, reserves and enqueues, in one transaction.
    /// - Throws: ``Refusal``, `Denial`, `DatabaseError`, `CancellationError`: nothing is written then, but with the
    ///   database's `commit_unknown`.
    public func submit(_ submission: Submission) async throws -> Submitted {
        do {
            let submitted = try await submitOnce(submission)
            if !submitted.isReplayed { RunnerMetrics.admitted() }
            return submitted
        } catch let denial as Denial {
            RunnerMetrics.denied(denial)
            throw denial
        }
    }

    private func submitOnce(_ submission: Submission) async throws -> Submitted {
        try submission.validate()
        guard let idempotency = submission.idempotency else { return try await admit(submission) }
        let key = "\(submission.userID) \(idempotency.key)"
        guard inFlight.withLockedValue({ $0.insert(key).inserted }) else {
            throw Refusal(.idempotencyInFlight, "a request with this Idempotency-Key is still being answered")
        }
        defer { inFlight.withLockedValue { _ = $0.remove(key) } }
        return try await admit(submission)
    }

    private func admit(_ submission: Submission) async throws -> Submitted {
        if let idempotency = submission.idempotency {
            // What was answered before needs no look at its input, which may take seconds.
            let claim = try await IdempotencyKeys().find(
                idempotency.key, of: submission.userID, fingerprint: idempotency.fingerprint, in: database)
            if let known = try await replay(claim, in: database) { return known }
        }
        // The same in every attempt: a commit whose answer was lost is found again by it.
        let id = ExecutionID()
        var looksAhead = true
        while true {
            let agent = try await AgentRepository().find(submission.agentID, in: database)
            // A check takes a process, and may take seconds: whoever is denied anyway gets none.
            let isDenied = looksAhead ? try await isDenied(submission, id, agent) : false
            looksAhead = false
            if let agent, !isDenied { try await check(submission.input, against: agent.version) }
            do {
                return try await admit(submission, id, isDenied ? nil : agent, await runtimes.known())
            } catch is AgentHasChanged {
                // Between the check of the input and the decision, or it is not denied after all.
                continue
            } catch let error as DatabaseError where error.code == .commitUnknown {
                guard let stored = try await queue.find(id.description, in: database) else { throw error }
                return Submitted(execution: stored, isReplayed: false)
            }
        }
    }

    private struct AgentHasChanged: Error {}

    private func request(for submission: Submission, _ id: ExecutionID) throws -> AdmissionRequest {
        AdmissionRequest(
            executionID: id.description, userID: submission.userID, agentID: submission.agentID,
            limits: submission.limits, hosts: try submission.normalizedHosts(), patience: configuration.patience)
    }

    /// Whether a rule says no now, of an agent whose input is to be checked.
    private func isDenied(_ submission: Submission, _ id: ExecutionID, _ agent: Agent?) async throws -> Bool {
        guard agent?.version.inputSchema != nil else { return false }
        return try await !admission.explain(request(for: submission, id), in: database).isAdmitted
    }

    /// - Parameter agent: whose schema the input was held against; nil where it was not.
    private func admit(
        _ submission: Submission, _ id: ExecutionID, _ agent: Agent?, _ runtimes: [String: SandboxRuntime]
    ) async throws -> Submitted {
        let request = try request(for: submission, id)
        let input = String(decoding: try submission.input.serialized(), as: UTF8.self)
        let outcome = try await database.transaction(isolation: .readCommitted) { transaction -> Outcome in
            if let known = try await known(submission, id, in: transaction) { return .submitted(known) }
            let decision = try await admission.admit(request, in: transaction) { reservation in
                guard reservation.version.number == agent?.version.number else { throw AgentHasChanged() }
                let ticket = try ticket(submission, reservation, input: input)
                if let runtime = runtimes[reservation.runtime ?? ""] { try Self.check(ticket, on: runtime) }
                return String(decoding: try JSONEncoder().encode(ticket), as: UTF8.self)
            }
            if case .denied(let denial) = decision {
                // Committed, for the audit trail. The key stays free.
                if let key = submission.idempotency?.key {
                    try await IdempotencyKeys().release(key, of: submission.userID, in: transaction)
                }
                return .denied(denial)
            }
            try await write(submission, id, in: transaction)
            return .submitted(Submitted(execution: try await required(id, in: transaction), isReplayed: false))
        }
        switch outcome {
        case .denied(let denial): throw denial
        case .submitted(let submitted):
            if !submitted.isReplayed { bell.ring() }
            return submitted
        }
    }

    private enum Outcome: Sendable {
        case submitted(Submitted)
        case denied(Denial)
    }

    /// What belongs to an execution beside its row.
    private func write(_ submission: Submission, _ id: ExecutionID, in transaction: Transaction) async throws {
        try await ExecutionList().label(id.description, submission.labels, in: transaction)
        try await secrets.store(submission.secrets, for: id, in: transaction)
        if let webhook = submission.webhook {
            try await Webhooks.register(
                webhook, for: id.description, userID: submission.userID, trace: submission.trace, in: transaction)
        }
    }

    private func required(_ id: ExecutionID, in executor: some SQLExecutor) async throws -> StoredExecution {
        guard let stored = try await queue.find(id.description, in: executor) else {
            throw Self.notFound(id.description)
        }
        return stored
    }

    /// The execution that the same request has made before.
    private func known(
        _ submission: Submission, _ id: ExecutionID, in transaction: Transaction
    ) async throws -> Submitted? {
        guard let idempotency = submission.idempotency else { return nil }
        let claim = try await IdempotencyKeys().claim(
            idempotency.key, of: submission.userID, fingerprint: idempotency.fingerprint, for: id.description,
            in: transaction)
        return try await replay(claim, in: transaction)
    }

    /// The execution of a key that is known; nil for one that is new.
    private func replay(
        _ claim: IdempotencyKeys.Claim, in executor: some SQLExecutor
    ) async throws -> Submitted? {
        switch claim {
        case .new: return nil
        case .known(let executionID):
            guard let stored = try await queue.find(executionID, in: executor) else {
                throw Self.notFound(executionID)
            }
            return Submitted(execution: stored, isReplayed: true)
        case .mismatch:
            throw Refusal(
                .idempotencyMismatch,
                "this Idempotency-Key was given with another request: take a new key for a new request")
        }
    }

    private func check(_ input: JSONValue, against version: AgentVersion) async throws {
        guard let text = version.inputSchema else { return }
        let schema = try JSONSchema(known: JSONValue(parsing: Array(text.utf8)))
        let violations = await schema.violations(in: try input.serialized())
        guard violations.isEmpty else {
            throw Refusal(
                .inputInvalid, "the input does not match the agent's input schema",
                faults: violations.map { .init(path: "/input" + $0.path, message: $0.message) })
        }
    }

    private func ticket(
        _ submission: Submission, _ reservation: Reservation, input: String
    ) throws -> ExecutionTicket {
        let version = reservation.version
        var ticket = ExecutionTicket(
            agentID: reservation.agentID, userID: submission.userID, image: version.pinnedImage,
            limits: reservation.limits, input: input)
        ticket.environment = submission.environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        ticket.allow = reservation.hosts
        if !reservation.hosts.isEmpty { ticket.allowPrivate = configuration.allowPrivate }
        ticket.runtime = reservation.runtime
        ticket.outputSchema = try version.outputSchema.map { try JSONValue(parsing: Array($0.utf8)) }
        ticket.labels = submission.labels
        return ticket
    }

    private static func check(_ ticket: ExecutionTicket, on runtime: SandboxRuntime) throws {
        do {
            try runtime.check(ticket.limits)
            if !ticket.allow.isEmpty {
                try runtime.check(try EgressPolicy(rules: ticket.allow.map { try EgressRule($0) }))
            }
        } catch let error as Limits.Invalid {
            let path = error.name == "network" ? "/network" : "/limits/\(error.name)"
            throw Refusal.field(path, error.message, .unenforceableLimit)
        }
    }

    static func notFound(_ id: String) -> Refusal { Refusal(.notFound, "there is no execution \(id)") }

    // MARK: Looking

    /// - Parameter userID: whose it must be; nil for anybody's.
    /// - Throws: ``Refusal`` with `not_found`, also for what is somebody else's.
    public func find(_ id: String, of userID: String?) async throws -> StoredExecution {
        guard ExecutionID(id) != nil, let stored = try await queue.find(id, in: database),
            userID == nil || stored.userID == userID
        else { throw Self.notFound(id) }
        return stored
    }

    /// - Parameter bytes: of what is stored of them, about; the page ends where there is more, and has one at least.
    /// - Returns: a page, newest first, and the cursor of the next one.
    public func list(
        _ filter: ExecutionList.Filter, after cursor: String?, limit: Int, bytes: Int
    ) async throws -> (executions: [StoredExecution], nextCursor: String?) {
        let page = try await ExecutionList().page(filter, after: cursor, limit: limit, bytes: bytes, in: database)
        return (page.executions, page.hasMore ? page.executions.last?.id : nil)
    }

    /// Waits for its end, at most for so long.
    /// - Returns: the execution as it is then.
    public func wait(_ id: String, of userID: String?, atMost limit: Duration) async throws -> StoredExecution {
        try await watch.withEvents(of: id) { events in
            let now = try await find(id, of: userID)
            if now.state.isEnd || limit <= .zero { return now }
            return try await withThrowingTaskGroup(of: StoredExecution?.self) { group in
                group.addTask {
                    for await case .changed(let stored) in events where stored.state.isEnd { return stored }
                    return nil
                }
                group.addTask {
                    try await Task.sleep(for: limit)
                    return nil
                }
                defer { group.cancelAll() }
                if let ended = try await group.next() ?? nil { return ended }
                return try await find(id, of: userID)
            }
        }
    }

    /// How long somebody who asks for a receipt waits for it to be signed.
    private static let receiptLimit: Duration = .seconds(5)

    /// Its signed receipt, as JSON.
    /// - Throws: ``Refusal``: `conflict` before its end and while no node has signed it, `not_found` for one whose request
    ///   nobody could read.
    public func receipt(of id: String, ownedBy userID: String?) async throws -> String {
        let stored = try await find(id, of: userID)
        guard let execution = ExecutionID(id) else { throw Self.notFound(id) }
        guard stored.state.isEnd else {
            throw Refusal(.conflict, "execution \(id) has not ended: its receipt is made at its end")
        }
        let deadline = ContinuousClock.now + Self.receiptLimit
        while true {
            // First this: it may be signed between the two.
            let isDue = try await StoredReceipt.isDue(execution, in: database)
            if let receipt = try await StoredReceipt.find(execution, in: database) { return receipt }
            guard isDue else {
                throw Refusal(.notFound, "no receipt could be made of \(id): its request could not be read")
            }
            guard .now < deadline else {
                throw Refusal(
                    .conflict, "the receipt of \(id) is not signed yet: a node does so in a moment, ask again")
            }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    public func log(of id: ExecutionID) -> ExecutionLog {
        ExecutionLog(id, hub: hub, watch: watch, database: database)
    }

    // MARK: Ending

    /// - Parameter grace: from SIGTERM to SIGKILL, at most what the execution's limits give: time beyond them is not
    ///   reserved. nil for that of the limits.
    /// - Returns: the execution as it is then, and whether it had ended before.
    public func cancel(
        _ id: String, of userID: String?, by actor: String, grace: Duration?, reason: String?
    ) async throws -> (execution: StoredExecution, hadEnded: Bool) {
        let before = try await find(id, of: userID)
        guard !before.state.isEnd, let execution = ExecutionID(id) else { return (before, true) }
        let longest = Duration.seconds(try Execution.current(before).limits.graceSeconds)
        let after = try await ExecutionCanceller(database, queue: queue).cancel(
            execution, actor: actor, grace: grace.map { min($0, longest) }, reason: reason)
        guard let after else { throw Self.notFound(id) }
        return (after, false)
    }
}

extension AgentVersion {
    /// What a node asks its Engine for: a name with a digest where the image is in a registry, else an id.
    var pinnedImage: String { dockerImage.contains("@sha256:") ? dockerImage : imageDigest }
}
