import Runner

extension Execution {
    /// The exit code of `paddock run` and `paddock wait`; the contract, §4.
    var commandExitCode: Int32 { Self.commandExitCode(status, reason, exitCode) }

    static func commandExitCode(_ status: Status, _ reason: Reason?, _ exitCode: Int?) -> Int32 {
        switch (status, reason) {
        case (.succeeded, _): 0
        case (.timedOut, _): 124
        case (.canceled, _): 130
        case (.failed, .memoryLimit): 137
        case (.failed, .exit), (.failed, .signal): Int32(exitCode ?? 1)
        case (.failed, .outputLimit), (.failed, .outputInvalid): 1
        default: 125
        }
    }

    /// One line for people: status, reason, wall, CPU, peak memory, connections, notes.
    var summary: String {
        var parts = ["\(status.rawValue)"]
        if status != .succeeded, let message { parts[0] += ": \(message)" }
        if usage.wallMs > 0 || startedAt != nil {
            parts.append("\(Self.seconds(usage.wallMs)) wall")
            parts.append("\(Self.seconds(usage.cpuMs)) CPU")
        }
        if usage.maxMemoryBytes > 0 { parts.append("\(Self.mebibytes(usage.maxMemoryBytes)) peak") }
        if let counts = network.connectionCounts {
            if counts.allowed > 0 {
                parts.append("\(Self.connections(counts.allowed)) out, \(Self.size(usage.egressBytes))")
            }
            if counts.refused > 0 { parts.append("\(Self.connections(counts.refused)) refused") }
            if counts.failed > 0 { parts.append("\(Self.connections(counts.failed)) failed") }
        }
        parts += notes.map { "note: \($0.message)" }
        return parts.joined(separator: " · ")
    }

    private static func seconds(_ milliseconds: Int) -> String {
        "\(milliseconds / 1000).\(String(milliseconds % 1000 + 1000).dropFirst()) s"
    }

    private static func connections(_ count: Int) -> String { count == 1 ? "1 connection" : "\(count) connections" }

    private static func size(_ bytes: Int64) -> String {
        bytes < 1 << 20 ? "\(bytes) bytes" : mebibytes(bytes)
    }

    private static func mebibytes(_ bytes: Int64) -> String {
        let tenths = (bytes * 10) >> 20
        return "\(tenths / 10).\(tenths % 10) MiB"
    }
}
