import Glibc

/// How many sandboxes of which kind are worth having: from launches, and within the ceilings. Pure: it is told the time.
///
/// The demand of a kind is the number of its launches, each of which counts half after a half-life.
struct PoolPlan<Kind: Hashable & Sendable>: Sendable {
    struct Line: Sendable {
        var bounds: SandboxPool.Bounds
        /// Of one that waits.
        var memoryMiB: Int
        fileprivate var demand: Double
        fileprivate var at: ContinuousClock.Instant
    }

    private let configuration: SandboxPool.Configuration
    private var lines: [Kind: Line] = [:]

    init(_ configuration: SandboxPool.Configuration) { self.configuration = configuration }

    mutating func launched(
        _ kind: Kind, bounds: SandboxPool.Bounds, memoryMiB: Int, at now: ContinuousClock.Instant
    ) {
        let demand = (lines[kind].map { self.demand($0, now) } ?? 0) + 1
        lines[kind] = Line(bounds: bounds, memoryMiB: memoryMiB, demand: demand, at: now)
    }

    /// Kinds that nobody has asked for in a long time are forgotten, and so are their floors where there are none.
    mutating func forget(at now: ContinuousClock.Instant) {
        lines = lines.filter { $0.value.bounds.floor > 0 || demand($0.value, now) >= 0.01 }
    }

    /// It cannot be prepared any more.
    mutating func drop(_ kind: Kind) { lines[kind] = nil }

    /// What to have ready: floors first, then one by one whoever has most demand for each that it has already. What is
    /// past a ceiling is the coldest's.
    func wanted(at now: ContinuousClock.Instant) -> [Kind: Int] {
        var wanted: [Kind: Int] = [:]
        var number = 0
        var memory = 0
        func take(_ kind: Kind, _ line: Line) -> Bool {
            guard number < configuration.ceiling, memory + line.memoryMiB <= configuration.memoryMiB else {
                return false
            }
            wanted[kind, default: 0] += 1
            number += 1
            memory += line.memoryMiB
            return true
        }
        let byDemand = lines.sorted { demand($0.value, now) > demand($1.value, now) }
        for (kind, line) in byDemand {
            for _ in 0..<min(line.bounds.floor, line.bounds.ceiling) where !take(kind, line) { break }
        }
        // Demand for one more, from a half on.
        func next(_ kind: Kind, _ line: Line) -> Double? {
            let have = wanted[kind] ?? 0
            let demand = demand(line, now)
            return have < line.bounds.ceiling && demand >= Double(have) + 0.5 ? demand / Double(have + 1) : nil
        }
        var open = byDemand
        while let best = open.indices.max(by: {
            (next(open[$0].key, open[$0].value) ?? 0) < (next(open[$1].key, open[$1].value) ?? 0)
        }) {
            guard next(open[best].key, open[best].value) != nil else { break }
            if !take(open[best].key, open[best].value) { open.remove(at: best) }
        }
        return wanted
    }

    private func demand(_ line: Line, _ now: ContinuousClock.Instant) -> Double {
        line.demand * exp2(-(line.at.duration(to: now) / configuration.halfLife))
    }
}
