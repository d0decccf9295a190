import Entitlements

/// Limits that would fit what the examples used.
struct LimitAdvice {
    private let limits: Limits
    private let executions: [Execution]

    init(limits: Limits, results: [ExampleRun.Result]) {
        self.limits = limits
        // An example that is meant to fail at a limit says nothing about what the agent needs.
        executions = results.map(\.execution).filter { $0.status == .succeeded }
    }

    var findings: [CheckFinding] { executions.isEmpty ? [] : [memory, time].compactMap { $0 } }

    private var memory: CheckFinding? {
        let peak = executions.map(\.usage.maxMemoryBytes).max() ?? 0
        guard peak > 0 else { return nil }
        let peakMiB = Int(peak >> 20) + 1
        // Half as much again, and what the kernel holds for /tmp and processes, in steps of 32 MiB.
        var fitting = LimitsRequest()
        fitting.pids = limits.pids
        var proposed = max(32, (peakMiB * 3 / 2 + 31) / 32 * 32)
        while proposed < limits.memoryMiB {
            fitting.memoryMiB = proposed
            if (try? fitting.resolved()) != nil { break }
            proposed += 32
        }
        if peakMiB * 10 > limits.memoryMiB * 8 {
            return .warning(
                "limits.memoryMiB: \(limits.memoryMiB) is close to what the examples took (\(peakMiB) MiB): "
                    + "\(max(proposed, peakMiB * 3 / 2)) leaves room")
        }
        guard proposed * 2 <= limits.memoryMiB else { return nil }
        return .suggestion(
            "limits.memoryMiB: \(proposed) would do in place of \(limits.memoryMiB); the examples took \(peakMiB) MiB")
    }

    private var time: CheckFinding? {
        let longest = Double(executions.map(\.usage.wallMs).max() ?? 0) / 1000
        let proposed = max(5, (longest * 4).rounded(.up))
        if longest > limits.timeoutSeconds * 0.8 {
            return .warning(
                "limits.timeoutSeconds: \(limits.timeoutSeconds.plain) is close to the \(longest) s that an example "
                    + "took: \(proposed.plain) leaves room")
        }
        guard proposed * 2 <= limits.timeoutSeconds else { return nil }
        return .suggestion(
            "limits.timeoutSeconds: \(proposed.plain) would do in place of \(limits.timeoutSeconds.plain); the "
                + "examples took at most \(longest) s")
    }
}
