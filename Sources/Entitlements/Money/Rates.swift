public import Storage

/// What compute costs beside an agent's price, in millionths of a cent; 0 by default.
public struct Rates: Sendable, Equatable, Codable {
    /// A second of one CPU.
    public var cpuSecond: Int
    /// A GiB of memory for a second.
    public var gibSecond: Int
    /// A GiB sent or received.
    public var egressGiB: Int

    public init(cpuSecond: Int = 0, gibSecond: Int = 0, egressGiB: Int = 0) {
        self.cpuSecond = cpuSecond
        self.gibSecond = gibSecond
        self.egressGiB = egressGiB
    }

    /// What was or may be used.
    public struct Amount: Sendable, Equatable {
        public var cpuMilliseconds: Int
        /// MiB of memory times milliseconds.
        public var memoryMiBMilliseconds: Int
        public var egressBytes: Int

        /// As it was measured: the largest memory for the whole time.
        public init(_ usage: StoredUsage) {
            cpuMilliseconds = max(0, usage.cpuMilliseconds)
            let mebibytes = (Int128(max(0, usage.maxMemoryBytes)) + (1 << 20) - 1) >> 20
            memoryMiBMilliseconds = Int(clamping: mebibytes * Int128(max(0, usage.wallMilliseconds)))
            egressBytes = max(0, usage.egressBytes)
        }

        /// The most that limits let through; of egress, which none limits, ``egressAllowance`` where there is a network.
        public init(_ limits: Limits, hasNetwork: Bool) {
            let milliseconds = Int((limits.timeoutSeconds + limits.graceSeconds) * 1000)
            let most = Double(milliseconds) * limits.cpus
            cpuMilliseconds = Int(limits.cpuSeconds.map { min($0 * 1000, most) } ?? most)
            memoryMiBMilliseconds = limits.memoryMiB * milliseconds
            egressBytes = hasNetwork ? Self.egressAllowance : 0
        }

        /// Bytes that are reserved for each execution with a network.
        public static let egressAllowance = 1 << 30
    }

    /// Whole cents, rounded to the nearest. Never less for more.
    public func cents(_ amount: Amount) -> Int {
        let millionths =
            Int128(amount.cpuMilliseconds) * Int128(cpuSecond) / 1000
            + Int128(amount.memoryMiBMilliseconds) * Int128(gibSecond) / (1000 * 1024)
            + Int128(amount.egressBytes) * Int128(egressGiB) / (1 << 30)
        return Int(clamping: (millionths + 500_000) / 1_000_000)
    }
}

extension Rates {
    static let columns: SQL = "settings.cpu_second_rate, settings.gib_second_rate, settings.egress_gib_rate"

    init(_ row: Row) throws {
        self.init(
            cpuSecond: try row["cpu_second_rate"], gibSecond: try row["gib_second_rate"],
            egressGiB: try row["egress_gib_rate"])
    }
}
