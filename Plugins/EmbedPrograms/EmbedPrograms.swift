import Foundation
import PackagePlugin

/// Compiles the C programs that run inside sandboxes to static binaries and embeds them, so that `paddock` is one file.
@main
struct EmbedPrograms: BuildToolPlugin {
    /// Each program's folder under `Sources/`, and the folders that are linked into it.
    private static let programs = [
        (name: "SandboxInit", libraries: ["EgressForwarder"]),
        (name: "SandboxProbes", libraries: []),
        (name: "SyscallRecorder", libraries: []),
    ]

    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let package = context.package.directoryURL
        let scripts = ["build-static.sh", "embed-program.sh"].map { package.appending(path: "scripts/\($0)") }
        return try Self.programs.map { program in
            let folders = ([program.name] + program.libraries).map { package.appending(path: "Sources/\($0)") }
            let output = context.pluginWorkDirectoryURL.appending(path: "Embedded\(program.name).swift")
            let sources = try folders.flatMap { folder in
                try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
                    .filter { ["c", "h"].contains($0.pathExtension) }
            }
            return .buildCommand(
                displayName: "Compile and embed \(program.name)",
                executable: URL(filePath: "/bin/sh"),
                arguments: [scripts[1].path(), program.name, output.path()] + folders.map { $0.path() },
                inputFiles: scripts + sources,
                outputFiles: [output]
            )
        }
    }
}
