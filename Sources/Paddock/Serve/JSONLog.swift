import Dispatch
import Foundation
import Glibc
import Logging
import NIOConcurrencyHelpers
import Runner

/// The log of a server: one JSON object a line on stderr.
struct JSONLog: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level
    private let label: String
    private let output: LogOutput

    init(label: String, level: Logger.Level, output: LogOutput) {
        self.label = label
        self.logLevel = level
        self.output = output
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var line = #"{"time":""# + Date().rfc3339 + #"","level":""# + event.level.rawValue + #"","message":"#
        line += Self.quoted(event.message.description)
        if label != "paddock" { line += #","logger":"# + Self.quoted(label) }
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) {
            line += "," + Self.quoted(key) + ":" + Self.json(value)
        }
        if let error = event.error { line += #","error":"# + Self.quoted("\(error)") }
        output.write(line + "}\n")
    }

    private static func json(_ value: Logger.MetadataValue) -> String {
        switch value {
        case .string(let text): quoted(text)
        case .stringConvertible(let number as Int): String(number)
        case .stringConvertible(let number as Double) where number.isFinite: "\(number)"
        case .stringConvertible(let flag as Bool): flag ? "true" : "false"
        case .stringConvertible(let other): quoted(other.description)
        case .array(let items): "[" + items.map(json).joined(separator: ",") + "]"
        case .dictionary(let members):
            "{"
                + members.sorted { $0.key < $1.key }.map { quoted($0.key) + ":" + json($0.value) }.joined(
                    separator: ",") + "}"
        }
    }

    /// RFC 8259. A line stays a line whatever is in it.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += #"\""#
            case "\\": result += #"\\"#
            case "\n": result += #"\n"#
            case "\r": result += #"\r"#
            case "\t": result += #"\t"#
            case _ where scalar.value < 0x20 || scalar.value == 0x7F || (0x80...0x9F).contains(scalar.value):
                let digits = String(scalar.value, radix: 16)
                result += #"\u"# + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

/// Writes lines to stderr from a thread of its own: a reader of the log that hangs holds up nobody. What finds no room
/// is left out, and counted.
final class LogOutput: Sendable {
    private static let room = 4 << 20

    private struct State {
        var waiting: [UInt8] = []
        var dropped = 0
        var isWriting = false
    }

    private let state = NIOLockedValueBox(State())
    private let queue = DispatchQueue(label: "log")

    func write(_ line: String) {
        let begins = state.withLockedValue { state in
            guard state.waiting.count < Self.room else {
                state.dropped += 1
                return false
            }
            state.waiting += line.utf8
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if begins { queue.async { self.drain() } }
    }

    /// Waits until what was given is written, or the time is over.
    func flush(within limit: DispatchTimeInterval) {
        let done = DispatchSemaphore(value: 0)
        queue.async { done.signal() }
        _ = done.wait(timeout: .now() + limit)
    }

    private func drain() {
        while true {
            let next: [UInt8] = state.withLockedValue { state in
                var next = state.waiting
                state.waiting = []
                if state.dropped > 0 {
                    next += Array(
                        "{\"level\":\"warning\",\"message\":\"\(state.dropped) lines of the log were left out\"}\n".utf8
                    )
                    state.dropped = 0
                }
                if next.isEmpty { state.isWriting = false }
                return next
            }
            if next.isEmpty { return }
            _ = StandardStreams.write(next[...], to: STDERR_FILENO)
        }
    }
}
