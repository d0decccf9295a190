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
        public var description: String { "\(name): \(message)" }
    }

    /// MiB of memory that the init, page tables and the shared-memory tmpfs may take beside the agent.
    static let headroomMiB = 8
    static let sharedMemoryMiB = 4

    /// Kernel memory that the agent can make the kernel hold for it, in KiB, if it fills every file system and
    /// process slot. A cgroup that cannot hold it would lose its init to the OOM killer (facts: the init dies only
    /// where this sum exceeds the limit).
    var worstOverheadKiB: Int {
        let inodes = tmpInodes + SandboxPolicy.runInodes + SandboxPolicy.sharedMemoryInodes
        let files = (tmpMiB + Self.sharedMemoryMiB) * 1024 + SandboxPolicy.runKiB(outputKiB: outputKiB)
        return files + inodes + pids * 100 + Self.headroomMiB * 1024
    }

    /// Inodes of `/tmp`: 16,384, and fewer for a small one, since each costs a KiB of the memory limit.
    var tmpInodes: Int { min(16384, tmpMiB * 256) }

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

    /// Checks every range.
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

/// Limits as somebody asks for them: what is nil is left to whoever is asked next.
public struct LimitsRequest: Sendable, Equatable, Codable {
    public var memoryMiB: Int?
    public var cpus: Double?
    public var pids: Int?
    public var timeoutSeconds: Double?
    public var cpuSeconds: Double?
    public var tmpMiB: Int?
    public var logMiB: Int?
    public var outputKiB: Int?
    public var openFiles: Int?
    public var graceSeconds: Double?

    public init() {}

    /// What is asked here, and where nothing is, what `other` asks.
    public func over(_ other: LimitsRequest) -> LimitsRequest {
        var result = other
        result.memoryMiB = memoryMiB ?? other.memoryMiB
        result.cpus = cpus ?? other.cpus
        result.pids = pids ?? other.pids
        result.timeoutSeconds = timeoutSeconds ?? other.timeoutSeconds
        result.cpuSeconds = cpuSeconds ?? other.cpuSeconds
        result.tmpMiB = tmpMiB ?? other.tmpMiB
        result.logMiB = logMiB ?? other.logMiB
        result.outputKiB = outputKiB ?? other.outputKiB
        result.openFiles = openFiles ?? other.openFiles
        result.graceSeconds = graceSeconds ?? other.graceSeconds
        return result
    }

    /// The limits that hold, defaults filled in.
    /// - Throws: ``Limits/Invalid``.
    public func resolved() throws -> Limits {
        let memory = memoryMiB ?? 512
        let limits = Limits(
            memoryMiB: memory,
            cpus: cpus ?? 0.5,
            pids: pids ?? 128,
            timeoutSeconds: timeoutSeconds ?? 60,
            cpuSeconds: cpuSeconds,
            // 64 MiB at the default memory limit; in a smaller one it must not crowd out the agent.
            tmpMiB: tmpMiB ?? max(1, min(64, memory / 8)),
            logMiB: logMiB ?? 16,
            outputKiB: outputKiB ?? 1024,
            openFiles: openFiles ?? 1024,
            graceSeconds: graceSeconds ?? 10)
        try limits.validate()
        return limits
    }
}
