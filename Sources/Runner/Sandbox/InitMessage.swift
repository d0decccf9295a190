import Foundation

/// A message of the init: lines of `KEY VALUE`, and sections of bytes; docs/sandbox-init.md.
struct InitMessage: Sendable {
    struct Malformed: Error, CustomStringConvertible {
        let description: String
    }

    private(set) var values: [(key: String, value: String)] = []
    private(set) var sections: [String: [UInt8]] = [:]

    /// - Parameter base64: the message between tag and end, line feeds removed or not.
    /// - Throws: ``Malformed``.
    init(base64: [UInt8]) throws {
        let text = base64.filter { $0 != UInt8(ascii: "\n") }
        guard let payload = Data(base64Encoded: Data(text)) else { throw Malformed(description: "not base64") }
        try self.init(payload: [UInt8](payload))
    }

    init(payload: [UInt8]) throws {
        var rest = payload[...]
        while !rest.isEmpty {
            guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
                throw Malformed(description: "a line without end")
            }
            let line = String(decoding: rest[..<end], as: UTF8.self)
            rest = rest[(end + 1)...]
            let parts = line.split(separator: " ", maxSplits: 1, omittingEmptySubsequences: false)
            let key = String(parts[0])
            let value = parts.count > 1 ? String(parts[1]) : ""
            if key.hasPrefix("@") {
                guard let length = Int(value), length >= 0, rest.count > length else {
                    throw Malformed(description: "section \(key) is cut short")
                }
                sections[String(key.dropFirst())] = Array(rest.prefix(length))
                rest = rest.dropFirst(length + 1)
            } else {
                values.append((key, value))
            }
        }
        guard values.first?.key == "paddock-init", values.first?.value == "1" else {
            throw Malformed(description: "not version 1 of the protocol")
        }
    }

    /// Adds what the init could not see.
    mutating func add(_ more: [(key: String, value: String)]) { values += more }

    subscript(key: String) -> String? { values.first { $0.key == key }?.value }

    func integer(_ key: String) -> Int64? { self[key].flatMap { Int64($0) } }

    /// The cgroup's files that it tells of, by name.
    func cgroupFiles(version: Int) -> [String: String] {
        var files: [String: String] = [:]
        for (key, value) in values where key == "cgroup\(version)" {
            let parts = value.split(separator: " ", maxSplits: 1)
            if parts.count == 2 { files[String(parts[0])] = String(parts[1]) }
        }
        return files
    }

    func text(section: String) -> String? { sections[section].map { String(decoding: $0, as: UTF8.self) } }
}
