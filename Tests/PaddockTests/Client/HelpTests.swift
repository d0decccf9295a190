import Foundation
import Testing

@Suite("The command line's help")
struct HelpTests {
    @Test("groups the commands", .timeLimit(.minutes(5)))
    func groups() async throws {
        let help = try Program.paddock(["--help"])
        #expect(try await help.exitCode() == 0)
        #expect(help.stdout.contains("ON A SERVER (PADDOCK_URL, PADDOCK_TOKEN)"))
        for command in ["run", "serve", "submit", "ps", "show", "logs", "wait", "cancel", "receipt", "doctor"] {
            #expect(help.stdout.contains("\n  \(command) "), "\(command)")
        }
    }

    @Test(
        "says to whoever mistypes what was meant, and where its help is", .timeLimit(.minutes(5)),
        arguments: [
            (["sumbit", "x"], "there is no command 'sumbit' of paddock: did you mean submit? (see paddock --help)"),
            (
                ["keys", "lst"],
                "there is no command 'lst' of paddock keys: did you mean list? (see paddock keys --help)"
            ),
            (["frobnicate"], "there is no command 'frobnicate' of paddock: see paddock --help"),
            (["show"], "Missing expected argument '<id>' (see paddock show --help)"),
            (["ps", "--status", "runing"], "\nsee paddock ps --help"),
        ])
    func mistyped(_ arguments: [String], _ expected: String) async throws {
        let program = try Program.paddock(arguments)
        #expect(try await program.exitCode() == 125)
        #expect(program.stderr.contains(expected), "\(program.stderr)")
    }

    /// bash reads its script; the other shells are looked for.
    @Test("completes in bash, zsh and fish", .timeLimit(.minutes(5)), arguments: ["bash", "zsh", "fish"])
    func completion(_ shell: String) async throws {
        let script = try Program.paddock(["--generate-completion-script", shell])
        #expect(try await script.exitCode() == 0)
        #expect(script.stdout.contains("submit") && script.stdout.contains("idempotency-key"))
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/\(shell)") else { return }
        let check = try Program("/usr/bin/\(shell)", ["-n"], input: script.stdoutData)
        #expect(try await check.exitCode() == 0, "\(check.stderr)")
    }
}
