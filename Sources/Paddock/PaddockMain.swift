import ArgumentParser
import Glibc

/// The program. Runs the subcommand and turns every failure into one line on stderr and the exit code of the
/// contract, §4.
@main
enum PaddockMain {
    static func main() async {
        // A reader that has gone shows as an error of write(2).
        signal(SIGPIPE, SIG_IGN)
        StandardStreams.secure()
        raiseDescriptorLimit()
        do {
            var command = try PaddockCommand.parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            leave(with: error)
        }
    }

    /// To what the host allows. What an agent has open through the proxy must not be what keeps an output file or the
    /// Engine's socket from being opened. The few children (the schemas' checker, tar) use neither select(2) nor a loop
    /// over all descriptors, which is why the soft limit is low by default.
    private static func raiseDescriptorLimit() {
        let descriptors = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(descriptors, &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(descriptors, &limit)
    }

    private static func leave(with error: any Error) -> Never {
        if let code = error as? ExitCode { exit(code.rawValue) }
        let isUsage = PaddockCommand.exitCode(for: error) != .failure
        guard isUsage else {
            Console.error(String(describing: error))
            exit(Failure.exitCode)
        }
        if PaddockCommand.exitCode(for: error) == .success {
            // Help and version.
            print(PaddockCommand.fullMessage(for: error))
            exit(0)
        }
        let typed = MistypedCommand(CommandLine.arguments.dropFirst())
        Console.error(typed.explanation(PaddockCommand.message(for: error)))
        exit(Failure.exitCode)
    }
}

/// The root of the command tree.
struct PaddockCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "paddock",
        abstract: "Runs other people's agents behind a fence.",
        version: "0.1.0",
        groupedSubcommands: [
            CommandGroup(
                name: "On this machine",
                subcommands: [RunCommand.self, CheckCommand.self, DoctorCommand.self, SeccompCommand.self]),
            CommandGroup(
                name: "On a server (PADDOCK_URL, PADDOCK_TOKEN)",
                subcommands: [
                    SubmitCommand.self, PsCommand.self, ShowExecutionCommand.self, LogsCommand.self, WaitCommand.self,
                    CancelCommand.self,
                ]),
            CommandGroup(name: "Serving", subcommands: [ServeCommand.self]),
            CommandGroup(
                name: "Administering a server, on its database",
                subcommands: [AgentsCommand.self, UsersCommand.self, KeysCommand.self, EntitlementsCommand.self]),
            CommandGroup(name: "Receipts and audit", subcommands: [ReceiptCommand.self, AuditCommand.self]),
        ]
    )
}

/// What ends the program with exit code 125: an error of Paddock's own or of its user's.
struct Failure: Error, CustomStringConvertible {
    static let exitCode: Int32 = 125

    let description: String

    init(_ description: String) { self.description = description }
}
