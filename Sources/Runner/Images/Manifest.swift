public import Entitlements
import Foundation
import Yams

/// An agent's `agent.yaml`.
public struct Manifest: Sendable, Decodable {
    public static let fileName = "agent.yaml"
    private static let sizeLimit = 1 << 20
    /// What may be written where something of another type was.
    private static let forms = [
        "command": "[python3, /agent.py]", "limits": "{ memoryMiB: 256 }", "network": "{ mode: none }",
        "network.allow": "[api.example.com]", "seccomp": "{ allow: [read, write] }",
    ]

    public var name: String
    public var description: String?
    public var version: String?
    /// Program and arguments, in place of the image's own.
    public var command: [String]?
    public var inputSchema: JSONValue?
    public var outputSchema: JSONValue?
    public var limits: LimitsRequest?
    public var network: NetworkRequest?
    /// A stricter profile than the standard one.
    public var seccomp: SeccompRequest?
    public var examples: [Example]?

    /// An input and what is to come of it.
    public struct Example: Sendable, Decodable {
        public var name: String
        public var input: JSONValue
        /// In place of the manifest's, where given.
        public var limits: LimitsRequest?
        public var expect: Expectation
    }

    /// What an example's execution must show; what is nil is not looked at.
    public struct Expectation: Sendable, Decodable {
        public var status: Execution.Status?
        public var reason: Execution.Reason?
        public var exitCode: Int?
        public var signal: String?
        /// Equal to the output.
        public var output: JSONValue?
        /// Each key is in the output, with an equal value.
        public var outputContains: [String: JSONValue]?
        /// Each is somewhere in the log.
        public var logContains: [String]?
        public var notes: [Execution.Note.Code]?
    }

    /// One that says nothing but a name.
    init(name: String) { self.name = name }

    /// A manifest that cannot be used.
    public struct Invalid: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    /// Reads the folder's manifest; nil when it has none.
    /// - Throws: ``Invalid`` that names the file, the place and what is wrong.
    public static func load(folder: String) throws -> Manifest? {
        let path = folder + "/" + fileName
        let link = try? FileManager.default.attributesOfItem(atPath: path)
        guard link != nil else { return nil }
        // One that is there and cannot be read has limits and schemas that must not be passed over.
        let target = URL(filePath: path).resolvingSymlinksInPath().path()
        let attributes = try? FileManager.default.attributesOfItem(atPath: target)
        guard attributes?[.type] as? FileAttributeType == .typeRegular, let size = attributes?[.size] as? Int,
            size <= sizeLimit, let data = FileManager.default.contents(atPath: path)
        else { throw Invalid(description: "\(path): must be a readable file of at most \(sizeLimit >> 10) KiB") }
        do {
            return try Manifest(yaml: String(decoding: data, as: UTF8.self))
        } catch {
            throw Invalid(description: "\(path): \(error)")
        }
    }

    /// - Throws: ``Invalid``.
    public init(yaml: String) throws {
        let value = try Self.json(yaml: yaml)
        do {
            try Self.refuseUnknownKeys(value)
            self = try JSONDecoder().decode(Manifest.self, from: Data(value.serialized()))
        } catch let error as DecodingError {
            throw Invalid(description: error.words(suchAs: Self.forms))
        }
        try validate()
    }

    /// - Throws: ``Invalid``.
    static func json(yaml: String) throws -> JSONValue {
        // A few hundred bytes of anchors and aliases can stand for gigabytes.
        let hasAnchor = yaml.contains(/(?:^|[\s\[,{])&[^\s&]/.anchorsMatchLineEndings())
        let hasAlias = yaml.contains(/(?:^|[\s\[,{])\*[^\s*]/.anchorsMatchLineEndings())
        guard !(hasAnchor && hasAlias) else {
            throw Invalid(description: "anchors and aliases (&name, *name) are not supported: write the value out")
        }
        do {
            // Read again as JSON, strictly.
            return try JSONValue(parsing: json(try Yams.load(yaml: yaml)).serialized())
        } catch let error as YamlError {
            throw Invalid(description: "not YAML: \(error)")
        }
    }

    private func validate() throws {
        let isName = name.count <= 100 && name.wholeMatch(of: /[a-z0-9]([a-z0-9._-]*[a-z0-9])?/) != nil
        guard isName else {
            throw Invalid(
                description: "name: '\(name)' must be lower-case letters, digits, '.', '_' and '-', at most 100")
        }
        for (key, schema) in [("inputSchema", inputSchema), ("outputSchema", outputSchema)] {
            guard let schema else { continue }
            do {
                _ = try JSONSchema(schema)
            } catch {
                throw Invalid(description: "\(key): \(error)")
            }
        }
        do {
            _ = try (limits ?? LimitsRequest()).resolved()
        } catch {
            throw Invalid(description: "limits: \(error)")
        }
        do {
            _ = try seccomp.map { try SeccompPolicy.narrowed(to: $0) }
        } catch {
            throw Invalid(description: "seccomp.\(error)")
        }
        _ = try egressRules()
    }

    // MARK: YAML to JSON

    private static func json(_ value: Any?) throws -> JSONValue {
        switch value {
        case nil, is NSNull: return .null
        case let value as Bool: return .bool(value)
        case let value as Int: return .integer(Int64(value))
        case let value as Double: return .number(value)
        case let value as String: return .string(value)
        case let value as [Any]: return .array(try value.map { try json($0) })
        case let value as [AnyHashable: Any]:
            var object: [String: JSONValue] = [:]
            for (key, item) in value { object[String(describing: key.base)] = try json(item) }
            return .object(object)
        default:
            throw Invalid(description: "'\(value ?? "")' is no JSON value: put it in quotes")
        }
    }

    /// A key that nobody reads is a mistake that would otherwise stay unseen.
    private static func refuseUnknownKeys(_ value: JSONValue) throws {
        guard case .object(let top) = value else { throw Invalid(description: "must be a mapping with name, limits …") }
        let allowed: [String: Set<String>] = [
            "": [
                "name", "description", "version", "command", "inputSchema", "outputSchema", "limits", "network",
                "seccomp", "examples",
            ],
            "limits": [
                "memoryMiB", "cpus", "pids", "timeoutSeconds", "cpuSeconds", "tmpMiB", "logMiB", "outputKiB",
                "openFiles", "graceSeconds",
            ],
            "network": ["mode", "allow"],
            "seccomp": ["allow"],
            "examples[]": ["name", "input", "limits", "expect"],
            "expect": [
                "status", "reason", "exitCode", "signal", "output", "outputContains", "logContains", "notes",
            ],
        ]
        func check(_ value: JSONValue?, _ kind: String, _ place: String) throws {
            guard case .object(let object) = value, let known = allowed[kind] else { return }
            for key in object.keys.sorted() where !known.contains(key) {
                throw Invalid(
                    description: "\(place)\(key): unknown key; known are \(known.sorted().joined(separator: ", "))")
            }
        }
        try check(value, "", "")
        try check(top["limits"], "limits", "limits.")
        try check(top["network"], "network", "network.")
        try check(top["seccomp"], "seccomp", "seccomp.")
        guard case .array(let examples) = top["examples"] else { return }
        for (index, example) in examples.enumerated() {
            guard case .object(let fields) = example else { continue }
            try check(example, "examples[]", "examples[\(index)].")
            try check(fields["limits"], "limits", "examples[\(index)].limits.")
            try check(fields["expect"], "expect", "examples[\(index)].expect.")
        }
    }
}
