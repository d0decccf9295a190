import ArgumentParser
import DockerAPI
import Foundation
import Runner

/// `paddock doctor`: does this host hold what we promise?
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Try to break out of a sandbox on this host, and say what held.",
        discussion: """
            Each probe tries one escape or one overuse from inside a real sandbox. Its control does the same with a \
            defence off, where it must succeed: so a probe that could not fail would show.

            Exit code: 0 when every promise holds, 1 when one does not, 125 for an error of Paddock's own.
            """
    )

    @Option(
        help: ArgumentHelp(
            "Only this runtime of the Engine's (repeatable); without it, all that the Engine has.", valueName: "name"))
    var runtime: [String] = []

    @Option(help: "How to print: table or json.")
    var format = OutputFormat.table

    @Flag(name: .shortAndLong, help: "No progress.")
    var quiet = false

    func run() async throws {
        try await Interruptible.run(quiet: quiet) { try await examine() }
    }

    private func examine() async throws {
        let engine = try LocalEngine()
        let report = try await engine.withHost(quiet: quiet) { _, host in
            let doctor = Doctor(host: host, engineSocket: engine.configuration.socketPath)
            var runtimes: [SandboxRuntime] = []
            for name in runtime { runtimes.append(try await host.runtime(named: name)) }
            if runtimes.isEmpty { runtimes = try await doctor.runtimes() }
            let checks = try await doctor.checkHost()
            let findings = try await doctor.examine(runtimes: runtimes) { [quiet] step in
                if !quiet { Console.error("doctor: \(step)") }
            }
            let report = DoctorReport(host: checks, findings: findings)
            if runtime.isEmpty { keep(report, host) }
            return report
        }
        switch format {
        case .json: try Output.json(report)
        case .table: try Output.write(report.table())
        }
        if report.isBroken { throw ExitCode(1) }
    }

    /// For the page of a server with this state folder.
    private func keep(_ report: DoctorReport, _ host: RunnerHost) {
        do {
            try DoctorService(host: host).keep(report)
        } catch {
            Console.error("doctor: what was found could not be kept in the state folder: \(error)")
        }
    }
}

/// What the doctor found, for people and for programs.
private struct DoctorReport: Encodable {
    let host: [HostCheck]
    let findings: [Finding]

    var isBroken: Bool { host.contains { $0.verdict == .broken } || findings.contains { $0.verdict == .broken } }

    func table() -> String {
        var hostTable = Table(["host", "found", ""])
        for check in host { hostTable.add(check.subject, check.found, check.verdict.rawValue) }
        var text = hostTable.text
        for check in host { if let advice = check.advice { text += "  \(check.subject): \(advice)\n" } }
        for runtime in Set(findings.map(\.runtime)).sorted() {
            let own = findings.filter { $0.runtime == runtime }
            var table = Table(["runtime \(runtime)", "defence", "probe (inside the fence)", "control (without it)", ""])
            for finding in own {
                table.add(
                    finding.probe, finding.defence.rawValue, words(finding.fence), words(finding.control),
                    finding.verdict.rawValue)
            }
            text += "\n" + table.text
            for finding in own {
                if let advice = finding.advice { text += "  \(finding.probe): it \(finding.tries). \(advice)\n" }
            }
            let counts = Dictionary(grouping: own, by: \.verdict.rawValue).mapValues(\.count)
            let summary = counts.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
            text += "  \(runtime): \(own.count) probes: \(summary)\n"
        }
        return text
    }

    private func words(_ attempt: Finding.Attempt) -> String {
        let text = "\(attempt.outcome.rawValue): \(attempt.said)"
        return text.count <= 48 ? text : text.prefix(47) + "…"
    }
}
