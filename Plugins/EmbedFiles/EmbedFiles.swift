import Foundation
import PackagePlugin

/// Embeds the web page and the OpenAPI document, so that `paddock` is one file.
@main
struct EmbedFiles: BuildToolPlugin {
    /// Below the target's folder.
    private static let folders = ["Web/Site", "OpenAPI"]

    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let script = context.package.directoryURL.appending(path: "scripts/embed-files.sh")
        let output = context.pluginWorkDirectoryURL.appending(path: "EmbeddedFiles.swift")
        let folders = Self.folders.map { target.directoryURL.appending(path: $0) }
        let files = try folders.flatMap { folder in
            try FileManager.default.subpathsOfDirectory(atPath: folder.path())
                .sorted()
                .map { folder.appending(path: $0) }
                .filter { !$0.hasDirectoryPath && !$0.pathExtension.isEmpty }
        }
        return [
            .buildCommand(
                displayName: "Embed the web page and the OpenAPI document",
                executable: URL(filePath: "/bin/sh"),
                arguments: [script.path(), output.path()] + folders.map { $0.path() },
                inputFiles: [script] + files,
                outputFiles: [output]
            )
        ]
    }
}
