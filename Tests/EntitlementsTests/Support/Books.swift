import Foundation
import Storage
import Testing

@testable import Entitlements

/// What must hold of all sums at any time.
enum Books {
    static func check(_ world: World, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let executor = world.database
        // Entries of each transfer add up to 0.
        let transfers = try await executor.query(
            "SELECT transfer FROM ledger GROUP BY transfer HAVING sum(cents) <> 0")
        #expect(transfers.isEmpty, sourceLocation: sourceLocation)
        // Balance, what is reserved and what is under way are what the rows say.
        let accounts = try await executor.query(
            """
            SELECT user_id, balance_cents, reserved_cents, active, monthly_limit_cents, month, month_cents,
                (SELECT CAST(coalesce(sum(cents), 0) AS BIGINT) FROM ledger
                    WHERE account = 'user:' || accounts.user_id) AS entries,
                (SELECT CAST(coalesce(sum(estimate_cents), 0) AS BIGINT) FROM reservations
                    WHERE reservations.user_id = accounts.user_id AND settled_at IS NULL) AS open_cents,
                (SELECT count(*) FROM reservations
                    WHERE reservations.user_id = accounts.user_id AND settled_at IS NULL) AS open_count
            FROM accounts
            """)
        for row in accounts {
            let (balance, entries): (Int, Int) = (try row["balance_cents"], try row["entries"])
            #expect(balance == entries, sourceLocation: sourceLocation)
            let (reserved, open): (Int, Int) = (try row["reserved_cents"], try row["open_cents"])
            #expect(reserved == open, sourceLocation: sourceLocation)
            let (active, count): (Int, Int) = (try row["active"], try row["open_count"])
            #expect(active == count, sourceLocation: sourceLocation)
            #expect(balance >= reserved, sourceLocation: sourceLocation)
        }
        // What was charged and refunded is in the ledger, once.
        let charged = try await executor.query(
            """
            SELECT execution_id FROM reservations WHERE settled_at IS NOT NULL AND charged_cents - refunded_cents <>
                (SELECT CAST(coalesce(-sum(cents), 0) AS BIGINT) FROM ledger
                 WHERE ledger.execution_id = reservations.execution_id AND account = 'user:' || reservations.user_id)
            """)
        #expect(charged.isEmpty, sourceLocation: sourceLocation)
        // The user's bill is the same by both ways.
        let bill = try await UsageRecords().bill(
            of: world.user.id, UTCMonth(world.clock.now), in: executor)
        #expect(bill.totalCents == bill.ledgerCents, sourceLocation: sourceLocation)
        // Every execution has its reservation, and the other way round.
        #expect(
            try await world.count("executions WHERE id NOT IN (SELECT execution_id FROM reservations)") == 0,
            sourceLocation: sourceLocation)
        #expect(
            try await world.count("reservations WHERE execution_id NOT IN (SELECT id FROM executions)") == 0,
            sourceLocation: sourceLocation)
    }
}
