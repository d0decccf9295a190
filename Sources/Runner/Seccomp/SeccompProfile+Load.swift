import Foundation

extension SeccompProfile {
    /// What a file holds: the Engine's form, or the `seccomp` key of an agent.yaml.
    public enum Source: Sendable {
        case engine(SeccompProfile)
        case agent(SeccompRequest)
    }

    /// A file that holds no profile.
    public struct Unreadable: Error, CustomStringConvertible {
        public let description: String
    }

    private static let sizeLimit = 4 << 20

    /// Reads a profile: YAML where the file's name says so, JSON otherwise. For a folder, its agent.yaml.
    /// - Throws: ``Unreadable`` that names the file, what is wrong and what is wanted.
    public static func load(_ path: String) throws -> Source {
        var isFolder: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
        guard exists else { throw Unreadable(description: "\(path): no such file") }
        let file = isFolder.boolValue ? path + "/" + Manifest.fileName : path
        guard let handle = FileHandle(forReadingAtPath: file),
            let data = try? handle.read(upToCount: sizeLimit + 1) ?? Data(), data.count <= sizeLimit
        else {
            throw Unreadable(description: "\(file): must be a readable file of at most \(sizeLimit >> 20) MiB")
        }
        do {
            if file.hasSuffix(".yaml") || file.hasSuffix(".yml") {
                return .agent(try agentProfile(String(decoding: data, as: UTF8.self)))
            }
            return .engine(try JSONDecoder().decode(SeccompProfile.self, from: data))
        } catch DecodingError.typeMismatch(_, let context) where context.codingPath.isEmpty {
            throw Unreadable(description: "\(file): no seccomp profile: it must be an object")
        } catch DecodingError.dataCorrupted(let context) where context.codingPath.isEmpty {
            throw Unreadable(description: "\(file): no seccomp profile: \(context.debugDescription)")
        } catch let error as DecodingError {
            throw Unreadable(description: "\(file): no seccomp profile: \(error.words)")
        } catch {
            throw Unreadable(description: "\(file): no seccomp profile: \(error)")
        }
    }

    private static func agentProfile(_ yaml: String) throws -> SeccompRequest {
        guard let value = try Manifest.json(yaml: yaml)["seccomp"] else {
            throw Unreadable(description: "it has no key seccomp, so the agent runs under the standard policy")
        }
        return try JSONDecoder().decode(SeccompRequest.self, from: Data(value.serialized()))
    }
}
