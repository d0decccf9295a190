import ArgumentParser
import DockerAPI
import Foundation
import Runner

/// `paddock seccomp learn`: the least profile for an agent.
struct LearnCommand: AsyncParsableCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case yaml, json
    }

    static let configuration = CommandConfiguration(
        commandName: "learn",
        abstract: "Run an agent's examples, record what they call, and propose the least profile.",
        discussion: """
            The profile goes to stdout, to be put into agent.yaml; what it takes away, compared with the standard \
            policy, to stderr. An agent may only be given what its examples show: let them show all that it does.
            """
    )

    @Argument(help: "An image, or a folder with a Dockerfile and perhaps an agent.yaml.")
    var imageOrFolder: String

    @Option(
        help: ArgumentHelp(
            "One run with this JSON, @FILE, or - for stdin, in place of the examples.", valueName: "json"))
    var input: String?

    @Option(help: ArgumentHelp("The Engine's runtime to use, such as crun.", valueName: "name"))
    var runtime: String?

    @Option(help: "How: yaml or json.")
    var format = Format.yaml

    @Flag(name: .shortAndLong, help: "No progress, and no comparison.")
    var quiet = false

    func run() async throws {
        let source = try AgentSource(imageOrFolder)
        // Not part of what can be canceled: a read of stdin cannot.
        let input = try self.input.map { try JSONValue(parsing: RunInputs.input($0)) }
        try await Interruptible.run(quiet: quiet) { try await learn(source, input) }
    }

    private func learn(_ source: AgentSource, _ input: JSONValue?) async throws {
        let lesson = try await LocalEngine().withHost(quiet: quiet) { client, host in
            let runtime = try await host.runtime(named: self.runtime)
            let image = try await source.image(ImageStore(client: client), quiet: quiet)
            let learning = SeccompLearning(image: image, manifest: source.manifest, host: host, runtime: runtime)
            return try await learning.learn(input: input) { [quiet] name in
                if !quiet { Console.error("learn: running \(name)") }
            }
        }
        for doubt in lesson.doubts { Console.error("warning: \(doubt)") }
        if !quiet { Console.raw(Self.comparison(lesson)) }
        switch format {
        case .json: try Output.json(["seccomp": lesson.profile])
        case .yaml:
            try Output.write("seccomp:\n  allow:\n" + lesson.profile.allow.map { "    - \($0)\n" }.joined())
        }
    }

    private static func comparison(_ lesson: SeccompLearning.Lesson) -> String {
        var table = Table(["of the standard policy", "called", "left", "of"])
        for group in lesson.groups {
            let all = group.kept.count + group.removed.count
            table.add(group.name, "\(group.called)", "\(group.kept.count)", "\(all)")
        }
        var text = "\n" + table.text
        for arguments in lesson.arguments { text += "\(arguments)\n" }
        for group in lesson.groups where !group.removed.isEmpty {
            text += "- \(group.name): \(group.removed.joined(separator: ", "))\n"
        }
        return text + "\n"
    }
}
