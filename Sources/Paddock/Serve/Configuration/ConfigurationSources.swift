import Foundation
import Runner
import Yams

/// What is configured, and where it was said: a flag goes before the environment, that before `.env`, that before the
/// YAML file, and that before what is standard.
struct ConfigurationSources {
    /// A value and its source.
    struct Entry: Sendable {
        let value: String
        let source: String
    }

    private let entries: [String: Entry]

    static let environmentFile = ".env"
    static let yamlFile = "paddock.yaml"

    /// - Parameters:
    ///   - flags: by the keys' names.
    ///   - environmentPath: nil for `.env`, where there is one.
    ///   - yamlPath: nil for `paddock.yaml`, where there is one.
    /// - Throws: ``Failure`` for a file that cannot be read, or a key that nobody reads.
    init(
        flags: [String: String], environment: [String: String], environmentPath: String?, yamlPath: String?
    ) throws {
        var entries: [String: Entry] = [:]
        for key in ConfigurationKey.all where !key.standard.isEmpty {
            entries[key.name] = Entry(value: key.standard, source: "standard")
        }
        for (name, value) in try Self.yaml(yamlPath) { entries[name] = Entry(value: value, source: "YAML") }
        let fromFile = try Self.dotEnv(environmentPath)
        for (source, values) in [(environmentPath ?? Self.environmentFile, fromFile), ("environment", environment)] {
            for key in ConfigurationKey.all {
                // Set and empty is what compose files and unit files make of a variable that is not set.
                guard let value = values[key.variable], !value.isEmpty else { continue }
                entries[key.name] = Entry(value: value, source: source)
            }
        }
        for (name, value) in flags {
            guard ConfigurationKey.all.contains(where: { $0.name == name }) else {
                throw Failure("--set \(name): there is no such key; paddock serve --check lists them")
            }
            entries[name] = Entry(value: value, source: "flag")
        }
        self.entries = entries
    }

    subscript(name: String) -> String? {
        guard let value = entries[name]?.value, !value.isEmpty else { return nil }
        return value
    }

    func source(of name: String) -> String { entries[name]?.source ?? "" }

    // MARK: The YAML file

    private static func yaml(_ path: String?) throws -> [(String, String)] {
        guard let text = try contents(path, orElse: yamlFile) else { return [] }
        let file = path ?? yamlFile
        do {
            guard let top = try Yams.load(yaml: text) else { return [] }
            return try flat(top, "").map { name, value in
                guard ConfigurationKey.all.contains(where: { $0.name == name }) else {
                    throw Failure("\(file): \(name): there is no such key; paddock serve --check lists them")
                }
                return (name, value)
            }
        } catch let error as YamlError {
            throw Failure("\(file): not YAML: \(error)")
        }
    }

    private static func flat(_ value: Any, _ name: String) throws -> [(String, String)] {
        switch value {
        case let members as [AnyHashable: Any]:
            return try members.flatMap { key, value in
                try flat(value, name.isEmpty ? "\(key.base)" : "\(name).\(key.base)")
            }
        case let items as [Any]: return [(name, items.map { "\($0)" }.joined(separator: ","))]
        case is NSNull: return []
        case let flag as Bool: return [(name, flag ? "true" : "false")]
        default:
            guard !name.isEmpty else { throw Failure("the YAML file must hold keys such as server: { port: 8200 }") }
            return [(name, "\(value)")]
        }
    }

    // MARK: .env

    private static func dotEnv(_ path: String?) throws -> [String: String] {
        guard let text = try contents(path, orElse: environmentFile) else { return [:] }
        let file = path ?? environmentFile
        var values: [String: String] = [:]
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            var line = line.trimming(while: \.isWhitespace)
            if line.isEmpty || line.hasPrefix("#") { continue }
            if line.hasPrefix("export ") { line = line.dropFirst("export ".count).trimming(while: \.isWhitespace) }
            guard let equals = line.firstIndex(of: "="), line.startIndex < equals else {
                throw Failure("\(file): line \(index + 1) is not NAME=VALUE")
            }
            let name = String(line[..<equals].trimming(while: \.isWhitespace))
            // Other programs' variables may be in the same file; what is ours and misspelt would go unseen.
            guard !name.hasPrefix("PADDOCK_") || known.contains(name) else {
                throw Failure("\(file): \(name): there is no such variable; paddock serve --check lists them")
            }
            values[name] = unquoted(line[line.index(after: equals)...].trimming(while: \.isWhitespace))
        }
        return values
    }

    /// Those of the client's commands too.
    private static let known = Set(
        ConfigurationKey.all.map(\.variable) + ["PADDOCK_URL", "PADDOCK_TOKEN", "PADDOCK_CA_FILE", "PADDOCK_CONFIG"])

    private static func unquoted(_ text: Substring) -> String {
        if let quote = text.first, quote == "\"" || quote == "'", let end = text.dropFirst().lastIndex(of: quote) {
            let rest = text[text.index(after: end)...].trimming(while: \.isWhitespace)
            if rest.isEmpty || rest.hasPrefix("#") { return String(text[..<end].dropFirst()) }
        }
        // A comment begins behind a space.
        guard let comment = text.firstRange(of: " #") else { return String(text) }
        return String(text[..<comment.lowerBound].trimming(while: \.isWhitespace))
    }

    private static func contents(_ path: String?, orElse standard: String) throws -> String? {
        if path == nil, !FileManager.default.fileExists(atPath: standard) { return nil }
        let bytes = try StandardStreams.contents(of: path ?? standard, for: "configuration", upTo: 1 << 20)
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension Substring {
    fileprivate func trimming(while isTrimmed: (Character) -> Bool) -> Substring {
        var rest = drop(while: isTrimmed)
        while let last = rest.last, isTrimmed(last) { rest.removeLast() }
        return rest
    }
}

// MARK: Values

extension ConfigurationSources {
    func integer(_ name: String, _ range: ClosedRange<Int>) throws -> Int {
        guard let text = self[name], let number = Int(text), range.contains(number) else {
            throw wrong(name, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func flag(_ name: String) throws -> Bool {
        switch self[name]?.lowercased() {
        case "true", "1", "yes": return true
        case "false", "0", "no", nil: return false
        default: throw wrong(name, "true or false")
        }
    }

    func list(_ name: String) -> [String] {
        (self[name] ?? "").split(separator: ",").map { String($0.trimming(while: \.isWhitespace)) }.filter {
            !$0.isEmpty
        }
    }

    /// A number of seconds, or with a unit: `90`, `1.5s`, `250ms`, `15m`, `24h`, `7d`.
    func duration(_ name: String) throws -> Duration {
        let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86_400.0)]
        guard let text = self[name] else { throw wrong(name, "a time such as 30s or 24h") }
        let unit = units.first { text.hasSuffix($0.0) } ?? ("", 1)
        guard let number = Double(text.dropLast(unit.0.count)), number > 0, number * unit.1 <= 366 * 86_400 else {
            throw wrong(name, "a time such as 30s or 24h")
        }
        return .milliseconds(Int64((number * unit.1 * 1000).rounded(.up)))
    }

    func wrong(_ name: String, _ expected: String) -> Failure {
        let key = ConfigurationKey.all.first { $0.name == name }
        let spelling = "\(name) (\(key?.variable ?? ""))"
        guard let value = self[name] else { return Failure("\(spelling) is not set: it must be \(expected)") }
        let shown = key?.isSecret == true ? "what is set" : "'\(value)'"
        return Failure("\(spelling), from \(source(of: name)): \(shown) is not possible: it must be \(expected)")
    }
}
