import Foundation
import Testing

/// `paddock logs` against a server that cuts connections; see `log-stub.py`.
@Suite("paddock logs", .timeLimit(.minutes(5)))
struct ClientLogTests {
    private static let stub = Program.packageFolder + "Tests/PaddockTests/Client/log-stub.py"

    private func withStub(seed: Int, cuts: Int, _ body: (_ url: String) async throws -> Void) async throws {
        let stub = try Program("/usr/bin/python3", [Self.stub, "\(seed)", "\(cuts)"])
        defer { stub.signal(SIGKILL) }
        try await stub.wait(for: "its port") { stub.stdout.contains("\n") }
        try await body("http://127.0.0.1:\(stub.stdout.trimmingCharacters(in: .whitespacesAndNewlines))")
    }

    private func get(_ url: String) async throws -> Data {
        let curl = try Program(
            "/usr/bin/python3",
            [
                "-c", "import sys,urllib.request;sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1]).read())",
                url,
            ])
        _ = try await curl.exitCode()
        return curl.stdoutData
    }

    @Test("-f writes each byte once, wherever connections are cut", arguments: 1...6)
    func cuts(_ seed: Int) async throws {
        try await withStub(seed: seed, cuts: 12) { url in
            let program = try Program.paddock(
                ["logs", "-f", "exe_1"], environment: ["PADDOCK_URL": url, "PADDOCK_TOKEN": "secret"])
            #expect(try await program.exitCode() == 0, "\(program.stderr.suffix(500))")
            let expected = try JSONDecoder().decode([String: Data].self, from: try await get(url + "/expected"))
            #expect(program.stdoutData == expected["stdout"])
            // Our own words are on stderr too.
            let own = Data("paddock: the connection was lost; going on as soon as \(url) is there again\n".utf8)
            var rest = program.stderrData
            while let range = rest.range(of: own) { rest.removeSubrange(range) }
            #expect(rest == expected["stderr"])
        }
    }

    @Test("asks for the tail once, and goes on by the last event")
    func tail() async throws {
        try await withStub(seed: 7, cuts: 6) { url in
            let program = try Program.paddock(
                ["logs", "-f", "--tail", "5", "--stream", "stdout", "exe_1"],
                environment: ["PADDOCK_URL": url, "PADDOCK_TOKEN": "secret"])
            #expect(try await program.exitCode() == 0)
            struct Connection: Decodable {
                let path: String
                let last: String?
            }
            let connections = try JSONDecoder().decode([Connection].self, from: try await get(url + "/connections"))
            #expect(connections.count > 2)
            for connection in connections {
                #expect(connection.path.contains("tail=5") == (connection.last == nil))
                #expect(connection.path.contains("stream=stdout"))
                #expect(connection.path.contains("follow=true"))
            }
        }
    }

    @Test(
        "says what is wrong, and exits with 125",
        arguments: [
            (["PADDOCK_TOKEN": "wrong"], "no such key (unauthenticated): is PADDOCK_TOKEN right?"),
            (["PADDOCK_TOKEN": ""], "PADDOCK_TOKEN is not set"),
            (["PADDOCK_TOKEN": "x", "PADDOCK_URL": "http://127.0.0.1:1"], "cannot be reached"),
            (["PADDOCK_TOKEN": "x", "PADDOCK_URL": "ftp://x"], "is no address of a server"),
        ])
    func refused(_ environment: [String: String], _ words: String) async throws {
        try await withStub(seed: 1, cuts: 0) { url in
            let program = try Program.paddock(
                ["logs", "exe_1"], environment: ["PADDOCK_URL": url].merging(environment) { $1 })
            #expect(try await program.exitCode() == 125)
            #expect(program.stderr.contains(words), "\(program.stderr)")
            #expect(program.stderr.split(separator: "\n").count == 1)
        }
    }

    @Test("ends quietly when nobody reads it")
    func closedPipe() async throws {
        try await withStub(seed: 2, cuts: 0) { url in
            let program = try Program(
                "/bin/sh", ["-c", "\(Program.paddock) logs -f exe_1 | head -c 10"],
                environment: ["PADDOCK_URL": url, "PADDOCK_TOKEN": "secret"])
            #expect(try await program.exitCode() == 0)
            #expect(program.stdoutData.count == 10)
            #expect(!program.stderr.contains("paddock:"))
        }
    }
}
