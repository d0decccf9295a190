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
