import ArgumentParser
import DockerAPI
import Entitlements
import Foundation
import Runner

/// `paddock run`: one execution on the local Engine, no server and no database.
struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Run an agent image, or a folder that holds one, behind the fence.",
        discussion: """
            The agent's stdout and stderr arrive live on ours, byte for byte; everything else is on stderr. \
            A folder with a Dockerfile is built first; an image that is absent is pulled.

            Exit code: the agent's own (128 + N for a signal N); 124 timeout; 137 memory limit; 130 canceled; \
            1 when it exited 0 but its output was refused; 125 for an error of Paddock's own.
            """
    )

    @Argument(help: "An image, or a folder with a Dockerfile and perhaps an agent.yaml.")
    var imageOrFolder: String

    @Option(help: ArgumentHelp("The agent's input: JSON, @FILE, or - for stdin ({}).", valueName: "json"))
    var input: String?

    @OptionGroup(title: "Limits")
    var limits: LimitOptions

    @OptionGroup(title: "Network")
    var egress: EgressOptions

    @Option(help: ArgumentHelp("A variable for the agent (repeatable).", valueName: "name=value"))
    var env: [Assignment] = []

    @Option(
        help: ArgumentHelp(
            "A file /run/paddock/secrets/NAME for the agent (repeatable).", valueName: "name=value|name=@file"))
    var secret: [Assignment] = []

    @Option(help: ArgumentHelp("The Engine's runtime to use, such as runsc.", valueName: "name"))
    var runtime: String?

    @Flag(help: "Print the finished execution as one JSON document on stdout instead of the agent's stdout.")
    var json = false

    @Option(help: ArgumentHelp("Write a signed receipt of the execution to this file.", valueName: "file"))
    var receipt: String?

    @Option(
        help: ArgumentHelp(
            "Prepare so many sandboxes ahead, as a server does, and run the agent once in each, one after another.",
            valueName: "n"))
    var warm: Int?

    @Flag(help: "Say on stderr when each run had come how far, in milliseconds.")
    var trace = false

    @Flag(name: .shortAndLong, help: "No progress and no summary.")
    var quiet = false

    @Argument(parsing: .postTerminator, help: "Arguments for the agent, after --.")
    var arguments: [String] = []

    func validate() throws {
        guard let warm else { return }
        guard (1...WarmRuns.limit).contains(warm) else {
            throw ValidationError("--warm: must be 1 to \(WarmRuns.limit), is \(warm)")
        }
        guard receipt == nil || warm == 1 else {
            throw ValidationError("--receipt: is of one run; --warm makes \(warm)")
        }
        guard egress.allow.isEmpty else {
            throw ValidationError("--warm: a sandbox with a way out cannot be prepared ahead; leave --allow out")
        }
    }

    func run() async throws {
        let began = ContinuousClock.now
        let inputs = try await RunInputs(self)
        let engine = try LocalEngine()
        let receipt = try receipt.map { try ReceiptFile($0, keys: KeyFolder(stateFolder: engine.folder.path)) }
        let code = try await engine.withHost(quiet: quiet) { client, host in
            let request = try await inputs.request(images: ImageStore(client: client), host: host)
            guard let warm else { return try await execute(request, host, nil, receipt, began) }
            var isFirst = true
            return try await WarmRuns.run(warm, request, host: host, quiet: quiet) { request, pool in
                defer { isFirst = false }
                return try await execute(request, host, pool, receipt, isFirst ? began : nil)
            }
        }
        if code != 0 { throw ExitCode(code) }
    }

    private func execute(
        _ request: ExecutionRequest, _ host: RunnerHost, _ pool: SandboxPool?, _ receipt: ReceiptFile?,
        _ began: ContinuousClock.Instant?
    ) async throws -> Int32 {
        let control = ExecutionControl()
        let grace = Duration.seconds(request.limits.graceSeconds)
        let writer = OutputWriter(
            descriptors: json ? [.stderr: STDERR_FILENO] : [.stdout: STDOUT_FILENO, .stderr: STDERR_FILENO]
        ) { broken in
            control.cancel(grace: grace, why: broken.description)
        }
        let interrupts = Interrupts { [quiet] _, nth in
            switch nth {
            case 1:
                control.cancel(grace: grace, why: "canceled by the user")
                // Apart from here: a stderr that is full must not hold up the next signal.
                if !quiet { DispatchQueue.global().async { Console.error("canceling; once more to kill") } }
            case 2: control.kill(why: "canceled by the user")
            // What is left behind is removed by the next run.
            default: _exit(130)
            }
        }
        if !json {
            ReaderWatch.start(descriptor: STDOUT_FILENO) {
                control.cancel(grace: grace, why: "nobody reads its output any more")
            }
        }
        let refused = RefusedLines(quiet: quiet)
        let log = HashingSink(passingTo: writer)
        let finished = await ExecutionRunner(host: host, pool: pool).run(
            request, control: control, sink: receipt == nil ? writer : log, egressSink: refused)
        let broken = await writer.flush()
        refused.end()
        if trace { TraceLines.show(finished.trace, programBegan: began) }
        withExtendedLifetime(interrupts) {}
        // A stdout that takes no document is no reason for there to be no receipt.
        let shown = Result { try show(finished) }
        try receipt?.write(finished, input: request.input, log: log.digest)
        try shown.get()
        if let broken, !broken.isClosedPipe { throw Failure("output was lost: \(broken)") }
        return finished.execution.commandExitCode
    }

    private func show(_ finished: FinishedExecution) throws {
        let execution = finished.execution
        if finished.droppedLogBytes > 0 {
            Console.error(
                "log limit of \(execution.limits.logMiB) MiB reached: \(finished.droppedLogBytes) bytes left out")
        }
        if let failure = finished.removalFailure {
            Console.error("the sandbox could not be removed, the next run will try again: \(failure)")
        }
        if json {
            let document = try execution.serialized() + [UInt8(ascii: "\n")]
            if let errno = StandardStreams.write(document[...], to: STDOUT_FILENO) {
                throw Failure("the document could not be written to stdout: \(String(cString: strerror(errno)))")
            }
        }
        let isOurs = execution.commandExitCode == Failure.exitCode && execution.exitCode == nil
        if !quiet || isOurs { Console.error(execution.summary) }
    }
}
