public import Foundation
public import Storage

/// Whether anything is admitted at all: what admins have paused, and the circuit breaker.
///
/// The breaker opens when engines fail too often, so that no more is sent to hosts that cannot run it. After
/// ``Breaker/cooling`` one execution is let through as a probe; how it ends closes the breaker or opens it again.
public struct Gate: Sendable {
    /// When the breaker opens, and for how long.
    public struct Breaker: Sendable {
        /// Engine failures within ``window`` from which it may open.
        public var failures = 5
        /// Share of engine failures among all that ended within ``window``, from which it opens.
        public var share = 0.5
        /// Seconds that are looked back.
        public var window = 60.0
        /// Seconds from opening to the probe.
        public var cooling = 30.0
        /// Seconds after which a probe that has not ended gives way to another one.
        public var probePatience = 600.0

        public init() {}
    }

    /// What the breaker does.
    public enum BreakerState: String, Sendable, Codable {
        /// All are admitted. Can transition to: open.
        case closed
        /// None is admitted. Can transition to: halfOpen.
        case open
        /// One is admitted, and its end decides. Can transition to: closed, open.
        case halfOpen = "half_open"
    }

    /// As it is now, for everybody to see.
    public struct State: Sendable, Equatable, Codable {
        /// nil when not paused.
        public var pausedAt: Date?
        public var pausedBy: String?
        public var pauseReason: String?
        /// nil when closed.
        public var breakerOpenedAt: Date?
        public var breakerReason: String?
        /// The execution that is the probe.
        public var probe: String?
        public var probeAt: Date?

        static let columns: SQL =
            """
            settings.paused_at, settings.paused_by, settings.pause_reason, settings.breaker_opened_at,
            settings.breaker_reason, settings.breaker_probe, settings.breaker_probe_at
            """

        init() {}

        init(_ row: Row) throws {
            pausedAt = try row["paused_at"]
            pausedBy = try row["paused_by"]
            pauseReason = try row["pause_reason"]
            breakerOpenedAt = try row["breaker_opened_at"]
            breakerReason = try row["breaker_reason"]
            probe = try row["breaker_probe"]
            probeAt = try row["breaker_probe_at"]
        }

        public var isPaused: Bool { pausedAt != nil }

        public func breaker(_ breaker: Breaker, at now: Date) -> BreakerState {
            guard let breakerOpenedAt else { return .closed }
            return now < breakerOpenedAt + breaker.cooling ? .open : .halfOpen
        }

        /// Whether a probe is under way.
        func isProbing(_ breaker: Breaker, at now: Date) -> Bool {
            probeAt.map { now < $0 + breaker.probePatience } ?? false
        }
    }

    public var breaker: Breaker

    public init(_ breaker: Breaker = Breaker()) { self.breaker = breaker }

    public func state(in executor: some SQLExecutor) async throws -> State {
        let rows = try await executor.query("SELECT \(State.columns) FROM settings WHERE id = 1")
        return try rows.first.map(State.init) ?? State()
    }

    /// Admits nothing from now on; what is admitted goes on.
    /// - Returns: false when it was paused already; who did it and why stays.
    @discardableResult
    public func pause(
        by actor: String, reason: String?, at now: Date = Date(), in transaction: Transaction
    ) async throws -> Bool {
        let changed = try await transaction.execute(
            """
            UPDATE settings SET paused_at = \(now), paused_by = \(actor), pause_reason = \(reason)
            WHERE id = 1 AND paused_at IS NULL
            """)
        guard changed == 1 else { return false }
        try await Audit.append(by: actor, "admission.paused", "admission", ["reason": reason], in: transaction)
        return true
    }

    /// Admits again.
    /// - Returns: false when it was not paused.
    @discardableResult
    public func resume(by actor: String, in transaction: Transaction) async throws -> Bool {
        let changed = try await transaction.execute(
            """
            UPDATE settings SET paused_at = NULL, paused_by = NULL, pause_reason = NULL
            WHERE id = 1 AND paused_at IS NOT NULL
            """)
        guard changed == 1 else { return false }
        try await Audit.append(by: actor, "admission.resumed", "admission", [String: String](), in: transaction)
        return true
    }
}
