/// What the init says at the end: how it ended, what was used, the output file.
struct Trailer: Sendable, Equatable {
    enum End: Sendable, Equatable {
        case exit(Int)
        case signal(Int)
        /// The agent never ran.
        case startError(stage: String, errno: Int32)
    }

    /// Why the init ended the agent.
    enum Stop: String, Sendable {
        case none, term, kill, deadline, cpu, hangup, input, error
    }

    enum Output: Sendable, Equatable {
        case absent
        case bytes([UInt8])
        case tooLarge
        case notRegular
        case unreadable(errno: Int32)
    }

    var end: End
    var stop: Stop = .none
    var wall: Duration = .zero
    var cpu: Duration = .zero
    var memoryPeak: Int64 = 0
    var oomKills: Int64 = 0
    var refusedForks: Int64 = 0
    var tmpFreeBytes: Int64?
    var tmpFreeInodes: Int64?
    var output: Output = .absent
}

extension Trailer {
    /// - Throws: ``InitMessage/Malformed`` for a trailer that lacks what every one has.
    init(_ message: InitMessage) throws {
        self.init(end: try Self.end(message["ended"] ?? ""))
        stop = Stop(rawValue: message["stop"] ?? "") ?? .none
        wall = .microseconds(message.integer("wall_us") ?? 0)
        cpu = .microseconds(message.integer("cpu_us") ?? 0)
        memoryPeak = message.integer("memory_peak") ?? 0
        oomKills = message.integer("oom_kill") ?? 0
        refusedForks = message.integer("pids_max") ?? 0
        tmpFreeBytes = message.integer("tmp_free_bytes")
        tmpFreeInodes = message.integer("tmp_free_inodes")
        output = try Self.output(message)
    }

    private static func end(_ text: String) throws -> End {
        let words = text.split(separator: " ")
        switch (words.first, words.count) {
        case ("exit", 2): if let code = Int(words[1]) { return .exit(code) }
        case ("signal", 2): if let number = Int(words[1]) { return .signal(number) }
        case ("start_error", 3):
            if let number = Int32(words[2]) { return .startError(stage: String(words[1]), errno: number) }
        default: break
        }
        throw InitMessage.Malformed(description: "ended: '\(text)'")
    }

    private static func output(_ message: InitMessage) throws -> Output {
        let words = (message["output"] ?? "absent").split(separator: " ")
        switch words.first {
        case "absent": return .absent
        case "too_large": return .tooLarge
        case "not_regular": return .notRegular
        case "error": return .unreadable(errno: words.last.flatMap { Int32($0) } ?? 0)
        case "ok":
            if let bytes = message.sections["output"] { return .bytes(bytes) }
        default: break
        }
        throw InitMessage.Malformed(description: "output: '\(message["output"] ?? "")'")
    }
}
