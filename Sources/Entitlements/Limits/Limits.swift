/// What an execution may use. Names, defaults and meanings: the contract, §2.
public struct Limits: Sendable, Equatable, Codable {
    /// Memory in MiB, page tables and tmpfs included; no swap beyond it.
    public var memoryMiB: Int
    /// CPUs, in parts of one.
    public var cpus: Double
    /// Processes and threads of the agent at once.
    public var pids: Int
    /// Wall clock from launch, measured outside the sandbox.
    public var timeoutSeconds: Double
    /// CPU time of all processes together; nil for no limit.
    public var cpuSeconds: Double?
    /// Size of `/tmp`.
    public var tmpMiB: Int
    /// Output that is kept; the agent goes on past it.
    public var logMiB: Int
    /// Size of the output file.
    public var outputKiB: Int
    /// Open files of a process.
    public var openFiles: Int
    /// From SIGTERM to SIGKILL.
    public var graceSeconds: Double

    /// A limit that was asked for and cannot be had; CONTRACT §5, `unenforceable_limit` and `validation_failed`.
    public struct Invalid: Error, Sendable, CustomStringConvertible {
        /// The JSON name.
        public let name: String
        public let message: String

        public init(name: String, message: String) {
            self.name = name
            self.message = message
        }

        public var description: String { "\(name): \(message)" }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(memoryMiB, forKey: .memoryMiB)
        try container.encode(cpus, forKey: .cpus)
        try container.encode(pids, forKey: .pids)
        try container.encode(timeoutSeconds, forKey: .timeoutSeconds)
        // Null where there is no limit, rather than left out.
        try container.encode(cpuSeconds, forKey: .cpuSeconds)
        try container.encode(tmpMiB, forKey: .tmpMiB)
        try container.encode(logMiB, forKey: .logMiB)
        try container.encode(outputKiB, forKey: .outputKiB)
        try container.encode(openFiles, forKey: .openFiles)
        try container.encode(graceSeconds, forKey: .graceSeconds)
    }

    /// Checks every range, and that the memory can hold the rest.
    /// - Throws: ``Invalid`` for the first that is broken.
    public func validate() throws {
        func check(_ isValid: Bool, _ name: String, _ message: String) throws {
            if !isValid { throw Invalid(name: name, message: message) }
        }
        try check((24...1_048_576).contains(memoryMiB), "memoryMiB", "must be 24 to 1048576, is \(memoryMiB)")
        try check(cpus >= 0.01 && cpus <= 1024, "cpus", "must be 0.01 to 1024, is \(cpus)")
        try check((1...32768).contains(pids), "pids", "must be 1 to 32768, is \(pids)")
        try check(
            timeoutSeconds >= 0.1 && timeoutSeconds <= 604_800, "timeoutSeconds",
            "must be 0.1 to 604800 (a week), is \(timeoutSeconds)")
        if let cpuSeconds {
            try check(
                cpuSeconds >= 0.01 && cpuSeconds <= 604_800, "cpuSeconds", "must be 0.01 to 604800, is \(cpuSeconds)")
        }
        try check((1...1_048_576).contains(tmpMiB), "tmpMiB", "must be 1 to 1048576, is \(tmpMiB)")
        try check((1...65536).contains(logMiB), "logMiB", "must be 1 to 65536, is \(logMiB)")
        try check((1...16384).contains(outputKiB), "outputKiB", "must be 1 to 16384, is \(outputKiB)")
        try check((16...1_048_576).contains(openFiles), "openFiles", "must be 16 to 1048576, is \(openFiles)")
        try check(graceSeconds >= 0 && graceSeconds <= 3600, "graceSeconds", "must be 0 to 3600, is \(graceSeconds)")
        let needed = worstOverheadKiB / 1024 + 1
        try check(
            needed < memoryMiB, "memoryMiB",
            "\(memoryMiB) MiB cannot hold a full /tmp (\(tmpMiB) MiB), its inodes and \(pids) processes, which need "
                + "\(needed) MiB: raise memoryMiB, or lower tmpMiB or pids")
    }
}
