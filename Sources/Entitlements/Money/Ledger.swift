public import Foundation
public import Storage

/// The double-entry ledger: each transfer has entries that add up to 0, and an account's balance is the sum of its own.
///
/// Accounts are `user:ID`, `agent:ID` (prices paid for it), `platform:compute` (what compute cost) and
/// `platform:funds` (where balances come from).
public struct Ledger: Sendable {
    /// Why money moved.
    public enum Kind: String, Sendable, Codable, SQLConvertible {
        case deposit
        case adjustment
        case charge
        case refund
    }

    /// One line.
    public struct Entry: Sendable, Equatable, Codable {
        /// Grows from entry to entry.
        public let position: Int
        /// The same for all entries of one transfer.
        public let transfer: String
        public let account: String
        /// What the account gets; negative for what it gives.
        public let cents: Int
        public let kind: Kind
        public let executionId: String?
        public let reference: String?
        public let recordedAt: Date
    }

    /// One side of a transfer.
    struct Leg: Sendable {
        let account: String
        let cents: Int
    }

    static let funds = "platform:funds"
    static let compute = "platform:compute"
    static func user(_ id: String) -> String { "user:\(id)" }
    static func agent(_ id: String) -> String { "agent:\(id)" }

    let now: @Sendable () -> Date

    public init(now: @escaping @Sendable () -> Date = { Date() }) { self.now = now }

    /// Adds to a user's balance.
    /// - Parameters:
    ///   - cents: from 1.
    ///   - reference: the payment's own id. The same again adds nothing to this user's balance; another user's
    ///     payments have names of their own.
    ///   - actor: who says so.
    /// - Returns: false when that payment is in the ledger already.
    /// - Throws: ``EntitlementError``.
    @discardableResult
    public func deposit(
        _ cents: Int, to userID: String, reference: String, by actor: String, in transaction: Transaction
    ) async throws -> Bool {
        guard cents >= 1, !reference.isEmpty else {
            throw EntitlementError(validating: [.init(path: "cents", message: "must be 1 or more, with a reference")])
        }
        var account = try await Account.locked(userID, in: transaction)
        let legs = [Leg(account: Self.user(userID), cents: cents), Leg(account: Self.funds, cents: -cents)]
        let isNew = try await record(
            legs, transfer: "deposit:\(userID):\(reference)", kind: .deposit, reference: reference,
            in: transaction)
        guard isNew else { return false }
        account.balanceCents += cents
        try account.store(in: transaction)
        try await Audit.append(
            by: actor, "user.deposit", userID, ["cents": cents], in: transaction)
        return true
    }

    /// Makes up a difference. The caller stores the account, whose row is locked.
    func adjust(_ account: inout Account, by cents: Int, actor: String, in transaction: Transaction) async throws {
        let legs = [Leg(account: Self.user(account.userID), cents: cents), Leg(account: Self.funds, cents: -cents)]
        try await record(
            legs, transfer: Identifier.make("adj_"), kind: .adjustment, reference: actor, in: transaction)
        account.balanceCents += cents
    }

    /// - Returns: false when this transfer has been recorded.
    /// - Throws: ``EntitlementError`` when one with this name has been, between other accounts: then the transaction must
    ///   be rolled back, for a part of this one is written.
    @discardableResult
    func record(
        _ legs: [Leg], transfer: String, kind: Kind, executionID: String? = nil, reference: String? = nil,
        in transaction: Transaction
    ) async throws -> Bool {
        precondition(legs.reduce(0) { $0 + $1.cents } == 0, "the entries of a transfer add up to 0")
        let now = now()
        let rows: [SQL] = legs.filter { $0.cents != 0 }.map {
            "(\(transfer), \($0.account), \($0.cents), \(kind), \(executionID), \(reference), \(now))"
        }
        guard !rows.isEmpty else { return true }
        let inserted = try await transaction.execute(
            """
            INSERT INTO ledger (transfer, account, cents, kind, execution_id, reference, recorded_at)
            VALUES \(rows.joined(by: ", ")) ON CONFLICT (transfer, account) DO NOTHING
            """)
        guard inserted == 0 || inserted == rows.count else {
            throw EntitlementError(
                .conflict,
                "the transfer '\(transfer)' cannot be recorded: another one has its name; give it another reference")
        }
        return inserted > 0
    }

    /// A user's entries, newest first.
    /// - Parameters:
    ///   - cursor: of the page before.
    ///   - limit: 1 to 100.
    public func entries(
        of userID: String, after cursor: String? = nil, limit: Int = 50, in executor: some SQLExecutor
    ) async throws -> Page<Entry> {
        let before = cursor.flatMap { Int($0) } ?? Int.max
        let rows = try await executor.query(
            """
            SELECT position, transfer, account, cents, kind, execution_id, reference, recorded_at FROM ledger
            WHERE account = \(Self.user(userID)) AND position < \(before) ORDER BY position DESC LIMIT \(limit + 1)
            """)
        let entries = try rows.map {
            Entry(
                position: try $0["position"], transfer: try $0["transfer"], account: try $0["account"],
                cents: try $0["cents"], kind: try $0["kind"], executionId: try $0["execution_id"],
                reference: try $0["reference"], recordedAt: try $0["recorded_at"])
        }
        return Page(entries, limit: limit) { String($0.position) }
    }
}
