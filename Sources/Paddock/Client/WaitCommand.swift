import ArgumentParser
import Runner
import WebClient

/// `paddock wait`: until an execution on a server has ended.
struct WaitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait",
        abstract: "Wait for the end of an execution on a server, and exit as it did.",
        discussion: """
            Exit code: the agent's own (128 + N for a signal N); 124 timeout; 137 memory limit; 130 canceled; \
            1 when it exited 0 but its output was refused; 125 for an error of Paddock's own. Ctrl-C ends the waiting \
            and not the execution: paddock cancel does that.
            """
    )

    @Argument(help: "The execution's id.")
    var id: String

    @Option(help: ArgumentHelp("Longest wait; 90, 90s, 2m (none).", valueName: "seconds"))
    var timeout: Seconds?

    @Flag(help: "Print the finished execution as one JSON document.")
    var json = false

    @OptionGroup
    var options: ClientOptions

    /// How long one request may wait: longer ones are cheaper, shorter ones show sooner that it runs.
    private static let (short, long) = (15, 60)
    private static let patience: Duration = .seconds(600)

    func run() async throws {
        try await Interruptible.run(quiet: true) { try await wait() }
    }

    private func wait() async throws {
        let server = try Server()
        let status = StatusLine(quiet: options.quiet)
        defer { status.end() }
        let deadline = timeout.map { ContinuousClock.now + .seconds($0.value) }
        var execution = try RemoteExecution(try await server.get("/executions/\(id.escaped)"))
        var lostAt: ContinuousClock.Instant?
        while !execution.status.isFinal {
            status.show(execution.status)
            let left = deadline.map { ContinuousClock.now.duration(to: $0) / .seconds(1) } ?? .infinity
            guard left > 0 else {
                throw Failure("\(id) has not ended in time: it is \(execution.status.rawValue)")
            }
            let isEarly = execution.status == .queued || execution.status == .starting
            let limit = max(1, Int(min(Double(isEarly ? Self.short : Self.long), left).rounded(.up)))
            var request = try server.request("GET", "/executions/\(id.escaped)/wait", query: [("timeout", "\(limit)")])
            request.totalLimit = .seconds(limit + 30)
            do {
                execution = try RemoteExecution(try await server.send(request, retries: true))
                lostAt = nil
            } catch let refusal as ServerRefusal where refusal.code == "rate_limited" || refusal.isOfTheMoment {
                try await pause(refusal.retryAfter ?? .seconds(2), since: &lostAt, refusal)
            } catch let failure as Failure {
                try await pause(.seconds(2), since: &lostAt, failure)
            }
        }
        status.end()
        if json || options.format == .json { try Output.json(execution.document) }
        if !options.quiet { Console.error(execution.summary) }
        if execution.commandExitCode != 0 { throw ExitCode(execution.commandExitCode) }
    }

    /// The server is away for a while.
    private func pause(_ pause: Duration, since lostAt: inout ContinuousClock.Instant?, _ why: any Error) async throws {
        let begin = lostAt ?? .now
        lostAt = begin
        guard begin.duration(to: .now) < Self.patience else { throw why }
        try await Task.sleep(for: pause)
    }
}
