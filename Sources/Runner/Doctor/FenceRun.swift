import Entitlements

/// Runs probes as agents: on the path of every execution, with nothing relaxed.
struct FenceRun: Sendable {
    let host: RunnerHost
    let image: AgentImage
    let surroundings: DoctorSurroundings
    let runtime: SandboxRuntime
    var pool: SandboxPool?

    func attempts(_ probes: [Probe]) async throws -> [String: Finding.Attempt] {
        var together: [Probe] = []
        var attempts: [String: Finding.Attempt] = [:]
        for probe in probes {
            try Task.checkCancellation()
            switch probe.judgement {
            case .line: together.append(probe)
            case .ownLine(let limits): attempts.merge(await lines([probe], limits, timeout: 20)) { $1 }
            case .ending(let expected, let limits, _, _):
                let command = [probe.name] + [surroundings.fenceArgument(probe.argument)].compactMap { $0 }
                attempts[probe.name] = try await Self.ending(
                    expected, of: request(command, try limits.resolved()), host: host)
            }
        }
        attempts.merge(await lines(together, LimitsRequest(), timeout: 600)) { $1 }
        // What a cancelled probe showed means nothing.
        try Task.checkCancellation()
        return attempts
    }

    /// - Parameter timeout: seconds.
    private func lines(_ probes: [Probe], _ limits: LimitsRequest, timeout: Double) async -> [String: Finding.Attempt] {
        var limits = limits
        (limits.timeoutSeconds, limits.graceSeconds) = (timeout, 1)
        guard let limits = try? limits.resolved() else { return [:] }
        let sink = CollectingSink()
        let words = Probe.words(probes, argument: surroundings.fenceArgument)
        let finished = await ExecutionRunner(host: host, pool: pool).run(
            request(words, limits), control: ExecutionControl(), sink: sink)
        var attempts = Finding.Attempt.parse(sink.text, of: probes)
        // A sandbox that ended early, or never began, says why for all that it owes.
        let why = finished.execution.message ?? finished.execution.status.rawValue
        for probe in probes where attempts[probe.name] == nil {
            attempts[probe.name] = Finding.Attempt(outcome: .silent, said: why)
        }
        return attempts
    }

    /// All of them in one sandbox.
    func request(_ probes: [Probe]) throws -> ExecutionRequest {
        request(Probe.words(probes, argument: surroundings.fenceArgument), try LimitsRequest().resolved())
    }

    private func request(_ arguments: [String], _ limits: Limits) -> ExecutionRequest {
        var request = ExecutionRequest(
            image: image, command: [ProbeImage.program] + arguments, limits: limits, input: Array("{}".utf8),
            endsWithRunner: true)
        request.runtime = runtime
        request.secrets = [(name: "TOKEN", value: Array(DoctorSurroundings.word.utf8))]
        return request
    }

    /// Held if the execution ended as it must.
    static func ending(
        _ expected: Probe.Ending, of request: ExecutionRequest, host: RunnerHost
    ) async throws -> Finding.Attempt {
        let finished = await ExecutionRunner(host: host).run(
            request, control: ExecutionControl(), sink: CollectingSink())
        let execution = finished.execution
        let isHeld =
            execution.status == expected.status && execution.reason == expected.reason
            && (expected.note == nil || execution.notes.contains { $0.code == expected.note })
        let notes = execution.notes.map { ", \($0.code.rawValue)" }.joined()
        let said = "\(execution.status.rawValue)/\(execution.reason?.rawValue ?? "")\(notes)"
        if execution.reason == .engineError {
            return Finding.Attempt(outcome: .silent, said: execution.message ?? said)
        }
        return Finding.Attempt(outcome: isHeld ? .held : .through, said: said)
    }
}
