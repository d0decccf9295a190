import Foundation
import Storage

/// Writes down who did what, in the transaction that does it.
enum Audit {
    /// - Parameters:
    ///   - actor: who did it.
    ///   - detail: encoded as a JSON object. No secret is in it.
    static func append(
        by actor: String, _ action: String, _ subject: String, _ detail: some Encodable, in transaction: Transaction
    ) async throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        let text = String(decoding: try encoder.encode(detail), as: UTF8.self)
        try await AuditLog.append(actor: actor, action: action, subject: subject, detail: text, in: transaction)
    }
}

/// What the trail keeps of an admission.
struct AuditedReservation: Encodable {
    let agentId: String
    let version: Int
    let image: String
    let right: Grant.Source
    let estimateCents: Int

    init(_ reservation: Reservation) {
        agentId = reservation.agentID
        version = reservation.version.number
        image = reservation.version.imageDigest
        right = reservation.right
        estimateCents = reservation.estimateCents
    }
}

/// What the trail keeps of a denial.
struct AuditedDenial: Encodable {
    let agentId: String
    let code: Denial.Code
    let rule: String?
    let message: String

    init(_ agentID: String, _ denial: Denial) {
        agentId = agentID
        code = denial.code
        rule = denial.rule?.name
        message = denial.message
    }
}
