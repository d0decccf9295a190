import ArgumentParser
import Glibc

/// `paddock logs`: what an execution on a server has written.
struct LogsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs",
        abstract: "Print the log of an execution on a server.",
        discussion: """
            The agent's stdout arrives on ours and its stderr on ours, byte for byte. With -f a connection that is lost \
            is made again, and the log goes on where it was: no byte twice and none left out.
            """
    )

    enum Stream: String, ExpressibleByArgument, CaseIterable {
        case stdout, stderr
    }

    @Argument(help: "The execution's id.")
    var id: String

    @Flag(name: .shortAndLong, help: "Go on until the execution ends.")
    var follow = false

    @Option(name: .shortAndLong, help: ArgumentHelp("Begin with the last lines.", valueName: "lines"))
    var tail: Int?

    @Option(help: ArgumentHelp("Only this one: stdout or stderr.", valueName: "name"))
    var stream: Stream?

    @Flag(name: .shortAndLong, help: "No progress.")
    var quiet = false

    func validate() throws {
        if let tail, !(0...100_000).contains(tail) { throw ValidationError("--tail: write a number from 0 to 100000") }
    }

    func run() async throws {
        try await Interruptible.run(quiet: true) { try await printLog() }
    }

    private struct NobodyReads: Error {}

    private func printLog() async throws {
        let status = StatusLine(quiet: quiet)
        defer { status.end() }
        let follower = LogFollower(
            try Server(), id, .init(follows: follow, tail: tail, stream: stream?.rawValue), status: status
        ) { bytes, stream in
            let descriptor = stream == "stderr" ? STDERR_FILENO : STDOUT_FILENO
            guard let errno = StandardStreams.write(bytes[...], to: descriptor) else { return }
            if errno == EPIPE { throw NobodyReads() }
            throw Failure("the log could not be written: \(String(cString: strerror(errno)))")
        }
        do {
            _ = try await follower.run()
        } catch is NobodyReads {
            return
        }
    }
}
