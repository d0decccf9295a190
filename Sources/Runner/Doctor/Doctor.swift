import DockerAPI
import Foundation

/// Runs every probe inside a real sandbox, and again with a defence off.
///
/// Inside means the one path of every execution, from policy to removal. Probes share a sandbox unless they would take
/// each other's processes or memory; controls share a container where the same defences are off.
public struct Doctor: Sendable {
    /// All that there are.
    static let probes =
        Probe.kernelProbes + Probe.privilegesProbes + Probe.initProbes + Probe.filesProbes + Probe.networkProbes
        + Probe.resourcesProbes

    let host: RunnerHost
    private let engineSocket: String

    /// - Parameter engineSocket: the path by which the Engine is reached.
    public init(host: RunnerHost, engineSocket: String) {
        self.host = host
        self.engineSocket = engineSocket
    }

    /// Runs all probes on each of the runtimes.
    ///
    /// Controls need the host's own kernel, so they run once, on the Engine's default runtime.
    /// - Parameter progress: called with what is being done.
    /// - Throws: what kept it from probing at all.
    public func examine(
        runtimes: [SandboxRuntime], progress: @escaping @Sendable (String) -> Void
    ) async throws -> [Finding] {
        try await ProbeImage.with(host) { image in
            try await OtherSandbox.with(host: host, image: image) { other in
                let surroundings = DoctorSurroundings(
                    otherContainer: other, engineSocket: engineSocket, listeners: try HostListeners())
                progress("controls: \(Self.probes.count) probes with a defence off")
                let controls = try await ControlRun(host: host, image: image, surroundings: surroundings)
                    .attempts(Self.probes)
                var findings: [Finding] = []
                for runtime in runtimes {
                    progress("probes inside the fence, runtime \(runtime.name ?? "default")")
                    let fence = FenceRun(host: host, image: image, surroundings: surroundings, runtime: runtime)
                    let attempts = try await fence.attempts(Self.probes)
                    findings += Self.probes.map { probe in
                        Finding(
                            probe, runtime: runtime, fence: attempts[probe.name] ?? .missing,
                            control: controls[probe.name] ?? .missing)
                    }
                }
                return findings
            }
        }
    }
}

extension Finding.Attempt {
    static let missing = Finding.Attempt(outcome: .silent, said: "the probe said nothing")

    /// - Parameter line: as the probe prints it, `held: WHY`.
    init?(line: Substring) {
        guard let colon = line.firstIndex(of: ":"), let outcome = Finding.Outcome(rawValue: String(line[..<colon]))
        else { return nil }
        self.init(outcome: outcome, said: line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces))
    }

    /// What the probes said: each its own line, behind its name where there are several.
    static func parse(_ log: String, of probes: [Probe]) -> [String: Finding.Attempt] {
        if probes.count == 1, let line = log.split(separator: "\n").last, let attempt = Finding.Attempt(line: line) {
            return [probes[0].name: attempt]
        }
        var attempts: [String: Finding.Attempt] = [:]
        for line in log.split(separator: "\n") {
            guard let space = line.firstIndex(of: " "),
                let attempt = Finding.Attempt(line: line[line.index(after: space)...])
            else { continue }
            attempts[String(line[..<space])] = attempt
        }
        return attempts
    }
}

extension Probe {
    /// The command line for probes that share a sandbox, or for one.
    static func words(_ probes: [Probe], argument: (Argument) -> String?) -> [String] {
        if probes.count == 1 { return [probes[0].name] + [argument(probes[0].argument)].compactMap { $0 } }
        return ["--each"] + probes.map { probe in argument(probe.argument).map { "\(probe.name)=\($0)" } ?? probe.name }
    }

    var isAlone: Bool { if case .ownLine = judgement { true } else { false } }
}
