import Entitlements
import Foundation
import Glibc
import Storage

/// Admits, settles and refunds, again and again, and is killed meanwhile.
struct Churn: Sendable {
    /// Where it can kill itself.
    enum Step: String, CaseIterable, Sendable {
        /// Decided, and nothing written.
        case decided
        /// All written, and nothing committed.
        case written
        case admitted
        /// Settled, and nothing committed.
        case settling
        case settled
        /// Given back, and nothing committed.
        case refunding
        case refunded
    }

    let database: Database
    let user: String
    let agent: String
    /// The step at which it ends; nil to go on for ever.
    let last: Step?

    func run() async throws {
        let (admission, settlement) = (Admission(), Settlement())
        while true {
            let id = Identifier.make("exe_")
            let request = AdmissionRequest(executionID: id, userID: user, agentID: agent)
            let decision = try await admission.admit(request, on: database) { _ in
                reach(.decided)
                return "{}"
            } also: { _, _ in
                reach(.written)
            }
            guard case .admitted = decision else {
                throw CancellationError()
            }
            reach(.admitted)
            let usage = StoredUsage(
                wallMilliseconds: 1000, cpuMilliseconds: 500, maxMemoryBytes: 1 << 20, logBytes: 0, egressBytes: 0)
            try await database.transaction(isolation: .readCommitted) { transaction in
                try await settlement.settle(id, state: .succeeded, reason: "exit", usage: usage, in: transaction)
                reach(.settling)
            }
            reach(.settled)
            try await database.transaction(isolation: .readCommitted) { transaction in
                _ = try await settlement.refund(id, cents: 1, reference: "r", by: "churn", in: transaction)
                reach(.refunding)
            }
            reach(.refunded)
        }
    }

    private func reach(_ step: Step) {
        if step == last { kill(getpid(), SIGKILL) }
    }
}
