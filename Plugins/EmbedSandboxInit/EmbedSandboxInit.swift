import Foundation
import PackagePlugin

/// Compiles `Sources/SandboxInit` to a static binary and embeds it, so that `paddock` is one file.
@main
struct EmbedSandboxInit: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let sources = context.package.directoryURL.appending(path: "Sources/SandboxInit")
        let output = context.pluginWorkDirectoryURL.appending(path: "SandboxInitBinary.swift")
        let script = sources.appending(path: "embed.sh")
        let inputs = try FileManager.default
            .contentsOfDirectory(at: sources, includingPropertiesForKeys: nil)
            .filter { ["c", "h", "sh"].contains($0.pathExtension) }
        return [
            .buildCommand(
                displayName: "Compile and embed the sandbox init",
                executable: URL(filePath: "/bin/sh"),
                arguments: [script.path(), output.path()],
                inputFiles: inputs,
                outputFiles: [output]
            )
        ]
    }
}
