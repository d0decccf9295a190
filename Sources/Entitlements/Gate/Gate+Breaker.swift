import Foundation
import Storage

extension Gate {
    /// Makes this execution the probe. The settings' row is locked, and the breaker half open.
    func setProbe(_ executionID: String, at now: Date, in transaction: Transaction) throws {
        try transaction.executeLater(
            "UPDATE settings SET breaker_probe = \(executionID), breaker_probe_at = \(now) WHERE id = 1")
    }

    /// Takes note of an end, which is settled in this transaction.
    /// - Parameters:
    ///   - isEngineFailure: whether the engine failed it.
    ///   - hasRun: whether it says something of the engine: one that was canceled while it waited does not.
    func note(
        _ executionID: String, isEngineFailure: Bool, hasRun: Bool, at now: Date, in transaction: Transaction
    ) async throws {
        let state = try await state(in: transaction)
        if state.probe == executionID {
            let openedAt = isEngineFailure ? now : state.breakerOpenedAt
            // One that did not run leaves its place to another.
            let stays = isEngineFailure || !hasRun
            try await transaction.execute(
                """
                UPDATE settings SET breaker_probe = NULL, breaker_probe_at = NULL,
                    breaker_opened_at = \(stays ? openedAt : nil), breaker_reason = \(stays ? state.breakerReason : nil)
                WHERE id = 1 AND breaker_probe = \(executionID)
                """)
        } else if isEngineFailure, state.breakerOpenedAt == nil {
            try await open(at: now, in: transaction)
        }
    }

    private func open(at now: Date, in transaction: Transaction) async throws {
        let rows = try await transaction.query(
            """
            SELECT count(*) AS ended, CAST(coalesce(sum(CASE WHEN is_engine_failure THEN 1 ELSE 0 END), 0) AS BIGINT) AS failed
            FROM reservations WHERE settled_at IS NOT NULL AND settled_at > \(now - breaker.window)
            """)
        guard let row = rows.first else { return }
        let (ended, failed): (Int, Int) = (try row["ended"], try row["failed"])
        guard failed >= breaker.failures, Double(failed) >= breaker.share * Double(ended) else { return }
        let reason = "\(failed) of \(ended) executions that ended in \(Int(breaker.window)) s were failed by the engine"
        try await transaction.execute(
            """
            UPDATE settings SET breaker_opened_at = \(now), breaker_reason = \(reason),
                breaker_probe = NULL, breaker_probe_at = NULL
            WHERE id = 1 AND breaker_opened_at IS NULL
            """)
    }
}
