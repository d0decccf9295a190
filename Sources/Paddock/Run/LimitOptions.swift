import ArgumentParser
import Entitlements
import Runner

/// The limits as flags; the contract, §2.
struct LimitOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Memory, without swap (512).", valueName: "MiB"))
    var memory: Mebibytes?

    @Option(help: ArgumentHelp("CPUs, such as 0.5 (0.5).", valueName: "n"))
    var cpus: Double?

    @Option(help: ArgumentHelp("Processes and threads at once (128).", valueName: "n"))
    var pids: Int?

    @Option(help: ArgumentHelp("Wall clock; 90, 90s, 2m (60).", valueName: "seconds"))
    var timeout: Seconds?

    @Option(help: ArgumentHelp("CPU time of all processes together (none).", valueName: "seconds"))
    var cpuTime: Seconds?

    @Option(help: ArgumentHelp("Size of /tmp (64, or an eighth of the memory if that is less).", valueName: "MiB"))
    var tmpSize: Mebibytes?

    @Option(help: ArgumentHelp("Log that is kept; the agent goes on past it (16).", valueName: "MiB"))
    var logLimit: Mebibytes?

    @Option(help: ArgumentHelp("Size of the output file (1024).", valueName: "KiB"))
    var outputLimit: Int?

    @Option(help: ArgumentHelp("Open files of a process (1024).", valueName: "n"))
    var nofile: Int?

    @Option(help: ArgumentHelp("From SIGTERM to SIGKILL (10).", valueName: "seconds"))
    var grace: Seconds?

    /// What the flags ask for; the rest is left to the manifest and the defaults.
    var request: LimitsRequest {
        var request = LimitsRequest()
        request.memoryMiB = memory?.value
        request.cpus = cpus
        request.pids = pids
        request.timeoutSeconds = timeout?.value
        request.cpuSeconds = cpuTime?.value
        request.tmpMiB = tmpSize?.value
        request.logMiB = logLimit?.value
        request.outputKiB = outputLimit
        request.openFiles = nofile
        request.graceSeconds = grace?.value
        return request
    }
}
