import ArgumentParser
import DockerAPI
import Entitlements
import Foundation
import Runner

/// `paddock check`: will this image do as an agent?
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Say whether an image or a folder makes a good agent.",
        discussion: """
            Checks manifest, schemas and image, runs every example inside the real sandbox, and suggests limits.

            Exit code: 0 when it will do, 1 when it will not, 125 for an error of Paddock's own.
            """
    )

    @Argument(help: "An image, or a folder with a Dockerfile and perhaps an agent.yaml.")
    var imageOrFolder: String

    @Option(help: "How to print: table or json.")
    var format = OutputFormat.table

    @Flag(name: .shortAndLong, help: "No progress.")
    var quiet = false

    func run() async throws {
        try await Interruptible.run(quiet: quiet) { try await check() }
    }

    private func check() async throws {
        let engine = try LocalEngine()
        let source = try AgentSource(imageOrFolder)
        let report = try await engine.withHost(quiet: quiet) { client, host in
            let image = try await source.image(ImageStore(client: client), quiet: quiet)
            let check = AgentCheck(image: image, manifest: source.manifest, host: host)
            return try await check.report { [quiet] name in
                if !quiet { Console.error("check: running \(name)") }
            }
        }
        switch format {
        case .json: try Output.json(report)
        case .table: try Output.write(Self.table(report))
        }
        if !report.isGood { throw ExitCode(1) }
    }

    private static func table(_ report: AgentCheck.Report) -> String {
        var runs = Table(["example", "", "status", "wall", "CPU", "memory", "log", "syscalls"])
        for run in report.runs {
            runs.add(
                run.name, run.passed ? "passed" : "failed",
                run.status.rawValue + (run.status == .succeeded ? "" : "/\(run.reason?.rawValue ?? "")"),
                "\(run.usage.wallMs) ms", "\(run.usage.cpuMs) ms", "\(run.usage.maxMemoryBytes >> 20) MiB",
                "\(run.usage.logBytes) B", run.syscalls.map { "\($0.count)" } ?? "-")
        }
        var text = "image  \(report.image), \(report.size >> 20) MiB\n\n" + runs.text
        if !report.findings.isEmpty { text += "\n" }
        for finding in report.findings { text += "\(finding.severity.rawValue): \(finding.message)\n" }
        return text + (report.isGood ? "\nit will do\n" : "\nit will not do yet\n")
    }
}
