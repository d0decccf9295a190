import Foundation
import Glibc
import Subprocess
import SystemPackage

/// A folder as the tar archive that the Engine's builder takes: a file without a name, gone with this value.
final class BuildContext: Sendable {
    private let descriptor: CInt

    /// Where another open of the file begins at its start; proc_pid_fd(5).
    var path: String { "/proc/self/fd/\(descriptor)" }

    /// - Throws: ``ImageError`` when the folder cannot be archived.
    init(folder: String) async throws {
        var template = Array("/var/tmp/paddock-build-XXXXXX".utf8CString)
        descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw ImageError("no place for the build context in /var/tmp: \(Errno.last)") }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        unlink(template)
        let excludes = try Self.excludes(folder: folder)
        // Names in order and owned by root, so that the builder's cache knows an unchanged folder again.
        let arguments =
            [
                "--create", "--file=-", "--directory=\(folder)", "--sort=name", "--owner=0", "--group=0",
                "--numeric-owner",
            ]
            + ["--anchored", "--wildcards", "--no-wildcards-match-slash"] + excludes.map { "--exclude=./\($0)" } + ["."]
        do {
            let result = try await run(
                .name("tar"), arguments: Arguments(arguments),
                output: .fileDescriptor(FileDescriptor(rawValue: descriptor), closeAfterSpawningProcess: false),
                error: .string(limit: 64 << 10))
            guard result.terminationStatus.isSuccess else {
                throw ImageError("\(folder) could not be archived: \(result.standardError)")
            }
        } catch let error as SubprocessError {
            throw ImageError("\(folder) could not be archived: \(error)")
        }
    }

    deinit { close(descriptor) }

    /// The patterns of `.dockerignore` that tar understands as Docker does.
    private static func excludes(folder: String) throws -> [String] {
        let file = folder + "/.dockerignore"
        guard FileManager.default.fileExists(atPath: file) else { return [] }
        guard let data = FileManager.default.contents(atPath: file) else {
            throw ImageError("\(file) cannot be read")
        }
        let text = String(decoding: data, as: UTF8.self)
        var patterns: [String] = []
        for line in text.split(whereSeparator: \.isNewline) {
            var pattern = line.trimmingCharacters(in: .whitespacesAndNewlines)
            if pattern.isEmpty || pattern.hasPrefix("#") { continue }
            if pattern.hasPrefix("./") { pattern.removeFirst(2) }
            pattern = pattern.trimmingCharacters(in: CharacterSet(charactersIn: "/"))
            guard !pattern.hasPrefix("!"), !pattern.contains("**") else {
                throw ImageError("\(file): '\(line)': exceptions (!) and ** are not supported")
            }
            guard pattern != "*" else { throw ImageError("\(file): '*' leaves nothing to build from") }
            // The builder needs the Dockerfile, as Docker's own client knows.
            if !pattern.isEmpty, pattern != "Dockerfile" { patterns.append(pattern) }
        }
        return patterns
    }
}
