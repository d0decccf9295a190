import Foundation
import Runner

/// An execution as the server shows it; the contract, §3.
struct RemoteExecution: Sendable {
    let document: JSONValue
    let id: String
    let status: Execution.Status

    /// - Throws: ``Failure`` for what is none.
    init(_ document: JSONValue) throws {
        guard let id = document["id"]?.text, let status = document["status"]?.text.flatMap(Execution.Status.init) else {
            throw Failure("the server's answer is no execution: is PADDOCK_URL right, and this paddock not too old?")
        }
        self.document = document
        self.id = id
        self.status = status
    }

    var reason: Execution.Reason? { document["reason"]?.text.flatMap(Execution.Reason.init) }
    var exitCode: Int? { document["exitCode"]?.number.map { Int($0) } }

    /// As `paddock run` would have exited.
    var commandExitCode: Int32 { Execution.commandExitCode(status, reason, exitCode) }

    /// One line for people.
    var summary: String {
        var parts = [status.rawValue]
        if status != .succeeded, let message = document["message"]?.text {
            // "canceled: WHY" says it already.
            parts[0] = message.hasPrefix(status.rawValue) ? message : "\(parts[0]): \(message)"
        }
        if let usage = document["usage"], let wall = usage["wallMs"]?.number, wall > 0 {
            parts.append("\(Self.seconds(wall)) wall")
            if let cpu = usage["cpuMs"]?.number { parts.append("\(Self.seconds(cpu)) CPU") }
            if let memory = usage["maxMemoryBytes"]?.number, memory > 0 {
                parts.append("\(((memory / 1_048_576 * 10).rounded() / 10).short) MiB peak")
            }
        }
        parts += (document["notes"]?.items ?? []).compactMap { $0["message"]?.text }.map { "note: \($0)" }
        return parts.joined(separator: " · ")
    }

    /// The status with its reason, as a cell of a table.
    var state: String {
        guard status.isFinal else { return status.rawValue }
        switch reason {
        case .exit: return status == .succeeded ? "succeeded" : "failed (exit \(exitCode ?? 1))"
        case .signal: return "failed (\(document["signal"]?.text ?? "signal"))"
        case let reason?:
            return reason.rawValue == status.rawValue ? status.rawValue : "\(status.rawValue) (\(reason.rawValue))"
        case nil: return status.rawValue
        }
    }

    /// How long it has run, or waits.
    var duration: String {
        guard let from = (document["startedAt"]?.text ?? document["createdAt"]?.text).flatMap(Self.date) else {
            return ""
        }
        let to = document["finishedAt"]?.text.flatMap(Self.date) ?? Date()
        return Self.words(max(0, to.timeIntervalSince(from)))
    }

    /// `2026-11-21 10:00:00`, in UTC.
    var created: String {
        (document["createdAt"]?.text ?? "").replacing("T", with: " ").split(separator: ".").first.map(String.init) ?? ""
    }

    static func date(_ text: String) -> Date? {
        try? Date(text, strategy: .iso8601.year().month().day().time(includingFractionalSeconds: true))
    }

    static func words(_ seconds: Double) -> String {
        let whole = Int(seconds)
        if whole < 60 { return "\((seconds * 10).rounded() / 10) s" }
        if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
        return "\(whole / 3600) h \(whole % 3600 / 60) min"
    }

    private static func seconds(_ milliseconds: Double) -> String { "\((milliseconds / 1000).short) s" }
}
