import Entitlements
import Foundation
import Testing

/// Real language runtimes under the real policy and the default limits: nothing that they need is refused.
@Suite("Language runtimes in the sandbox")
struct RuntimeTests {
    /// A program of `Tests/Runtimes` that prints `ok NAME` for each thing that works.
    struct Runtime: Sendable, CustomTestStringConvertible {
        let name: String
        let image: String
        let file: String
        let command: [String]
        let checks: [String]
        var testDescription: String { name }
    }

    static let runtimes = [
        Runtime(
            name: "Python", image: Fixture.python, file: "main.py", command: ["python3", "/main.py"],
            checks: ["threads", "processes", "files", "sockets", "timers"]),
        Runtime(
            name: "Node", image: "paddock/test-node:1", file: "main.js", command: ["node", "/main.js"],
            checks: ["workers", "children", "files", "sockets", "pool", "timers"]),
        Runtime(
            name: "Java", image: "paddock/test-java:1", file: "Main.java",
            command: ["/usr/lib/jvm/default-java/bin/java", "/Main.java"],
            checks: ["threads", "children", "files", "sockets", "memory", "timers"]),
        Runtime(
            name: "Go", image: "paddock/test-go:1", file: "main.go", command: ["/usr/bin/main"],
            checks: ["threads", "children", "files", "sockets", "memory", "signals"]),
        Runtime(
            name: "shell", image: Fixture.busybox, file: "main.sh", command: ["sh", "/main.sh"],
            checks: ["pipes", "jobs_and_traps", "files", "limits"]),
        Runtime(
            name: "glibc", image: Fixture.busybox, file: "main.c", command: ["/main"],
            checks: ["threads", "children", "timers", "memory"]),
    ]

    @Test("runs under the policy", arguments: runtimes)
    func runs(runtime: Runtime) async throws {
        try await Fixture.withState { state in
            try await Fixture.withFolder { folder in
                let source = URL(filePath: Program.packageFolder + "/Tests/Runtimes/" + runtime.file)
                try FileManager.default.copyItem(at: source, to: folder.appending(path: runtime.file))
                var copied = runtime.file
                if runtime.file.hasSuffix(".c") {
                    copied = "main"
                    let compiler = try Program(
                        "/usr/bin/env",
                        ["gcc", "-static", "-O1", "-Wall", "-Werror", "-pthread", "-D_GNU_SOURCE", "-o"]
                            + [folder.path() + "/main", folder.path() + "/main.c"])
                    #expect(try await compiler.exitCode() == 0, "\(compiler.stderr)")
                }
                // An image of its own: no other that is built from the same files stands on it.
                let dockerfile = "FROM \(runtime.image)\nLABEL paddock.test=\(UUID())\nCOPY \(copied) /\n"
                try Data(dockerfile.utf8).write(to: folder.appending(path: "Dockerfile"))
                let program = try Program.paddock(["run", folder.path(), "--"] + runtime.command, environment: state)
                #expect(try await program.exitCode() == 0, "\(program.stderr)")
                #expect(program.stdout == runtime.checks.map { "ok \($0)\n" }.joined(), "\(program.stderr)")
            }
        }
    }
}
