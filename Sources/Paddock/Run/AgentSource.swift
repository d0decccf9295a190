import Foundation
import Runner

/// What a user names to be run: an image, or a folder that holds one.
struct AgentSource {
    private let text: String
    /// The folder to build; nil for an image's name.
    let folder: String?
    /// The folder's, if it has one.
    let manifest: Manifest?

    /// - Throws: ``Failure`` for a folder that cannot be built, `Manifest.Invalid` for its manifest.
    init(_ text: String) throws {
        self.text = text
        folder = try Self.folder(text)
        manifest = try folder.flatMap { try Manifest.load(folder: $0) }
    }

    /// The path, if it is a folder to build; nil for an image's name.
    private static func folder(_ text: String) throws -> String? {
        guard !text.isEmpty else { throw Failure("the image or folder is empty: name one") }
        var isFolder: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: text, isDirectory: &isFolder)
        let looksLikePath = text.hasPrefix(".") || text.hasPrefix("/") || text.hasSuffix("/")
        guard exists, isFolder.boolValue else {
            if looksLikePath { throw Failure("\(text): no such folder") }
            return nil
        }
        let hasDockerfile = FileManager.default.fileExists(atPath: text + "/Dockerfile")
        if hasDockerfile { return text }
        let hasManifest = FileManager.default.fileExists(atPath: text + "/" + Manifest.fileName)
        if looksLikePath || hasManifest { throw Failure("\(text): the folder has no Dockerfile") }
        return nil
    }

    /// Its image: built, pulled or looked up, with progress on a terminal.
    func image(_ images: ImageStore, quiet: Bool) async throws -> AgentImage {
        guard let folder else {
            var line = ProgressLine("pulling \(text)", quiet: quiet)
            defer { line.end() }
            return try await images.image(text) { line.take($0) }
        }
        var line = ProgressLine("building \(folder)", quiet: quiet)
        line.begin()
        do {
            let image = try await images.build(folder: folder, tag: tag(folder)) { line.take($0) }
            line.end()
            return image
        } catch {
            line.end()
            Console.raw(line.transcript)
            throw error
        }
    }

    /// `paddock-run/NAME-HASH:latest`: the manifest's or the folder's name, and a hash of its path, so that folders of
    /// one name do not take each other's tag.
    private func tag(_ folder: String) -> String {
        let url = URL(filePath: folder).standardizedFileURL.resolvingSymlinksInPath()
        let last = url.lastPathComponent
        // FNV-1a.
        let hash = url.path().utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        let safe = last.lowercased().map { $0.isASCII && ($0.isLetter || $0.isNumber) ? $0 : "-" }
        let trimmed = String(safe).split(separator: "-").joined(separator: "-")
        let name = manifest?.name ?? (trimmed.isEmpty ? "agent" : trimmed)
        return "paddock-run/\(name)-\(String(hash, radix: 16)):latest"
    }
}
