import Foundation
import Testing

@testable import Paddock

/// The commands of a server against `paddock serve`, on the real Engine.
@Suite("The commands of a server", .timeLimit(.minutes(10)))
struct ClientServerTests {
    @Test("submit, wait for, list, show and cancel executions")
    func life() async throws {
        try await ServerFixture.with { fixture in
            let good = try await fixture.submit("echo out; echo err >&2", "--label", "team=blue", "--memory", "64")
            #expect(good.hasPrefix("exe_"))
            let waited = try await fixture.run("wait", good)
            #expect(waited.code == 0)
            #expect(waited.stderr.contains("succeeded"))
            let log = try await fixture.run("logs", good)
            #expect(log.code == 0)
            #expect(log.stdout == "out\n")
            #expect(log.stderr == "err\n")
            #expect(try await fixture.run("logs", "--stream", "stderr", good).stdout.isEmpty)

            let long = try await fixture.submit("sleep 100")
            let listed = try await fixture.run("ps", "-q")
            #expect(listed.stdout == long + "\n")
            #expect(try await fixture.run("ps", "-aq").stdout.split(separator: "\n").map(String.init) == [long, good])
            #expect(try await fixture.run("ps", "-aq", "--label", "team=blue").stdout == good + "\n")
            #expect(try await fixture.run("ps", "--status", "succeeded").stdout.contains("succeeded"))
            #expect(try await fixture.run("ps", "--agent", ServerFixture.agentName, "-q").stdout == long + "\n")
            let shown = try await fixture.run("show", good)
            #expect(shown.stdout.contains("memoryMiB=64") && shown.stdout.contains("team=blue"))
            let document =
                try JSONSerialization.jsonObject(
                    with: Data(try await fixture.run("show", "--format", "json", good).stdout.utf8)) as? [String: Any]
            #expect(document?["id"] as? String == good)

            let canceled = try await fixture.run("cancel", "--grace", "1", "--reason", "enough", long)
            #expect(canceled.code == 0 && canceled.stdout == long + "\n")
            let ended = try await fixture.run("wait", "--json", long)
            #expect(ended.code == 130)
            #expect(ended.stdout.contains("canceled: enough"))
            // Again, on one that has ended.
            #expect(try await fixture.run("cancel", long).code == 0)
        }
    }

    @Test("list agents and make keys over HTTP")
    func administration() async throws {
        try await ServerFixture.with { fixture in
            let agents = try await fixture.run("agents", "list")
            #expect(agents.code == 0 && agents.stdout.contains(ServerFixture.agentName))
            let made = try await fixture.run("keys", "create", "usr_admin", "--name", "second")
            #expect(made.code == 0, "\(made.stderr)")
            let key = made.stdout.trimmingCharacters(in: .whitespacesAndNewlines)
            #expect(key.hasPrefix("pdk_"))
            #expect(try await fixture.run("keys", "list").stdout.contains("second"))
            func use() async throws -> Int32 {
                let program = try Program.paddock(
                    ["ps"], environment: fixture.environment.merging(["PADDOCK_TOKEN": key]) { $1 })
                return try await program.exitCode()
            }
            #expect(try await use() == 0)
            let id = try #require(made.stderr.split(separator: ":").first.map(String.init))
            let name =
                id.hasPrefix("paddock")
                ? try #require(made.stderr.split(separator: " ").dropFirst().first.map(String.init)) : id
            #expect(try await fixture.run("keys", "revoke", name.replacing(":", with: "")).code == 0)
            #expect(try await use() == 125)
            #expect(try await fixture.run("agents", "set", "agt_x").stderr.contains("unset it"))
        }
    }

    @Test("exit as the agent did, and say what is wrong")
    func codes() async throws {
        try await ServerFixture.with { fixture in
            for (script, more, code) in [
                ("exit 7", [], 7), ("kill -TERM $$", [], 143), ("sleep 100", ["--timeout", "1", "--grace", "1"], 124),
            ] as [(String, [String], Int32)] {
                let program = try Program.paddock(
                    ["submit", ServerFixture.agentName, "--env", "SCRIPT=\(script)"] + more,
                    environment: fixture.environment)
                #expect(try await program.exitCode() == 0, "\(program.stderr)")
                let id = program.stdout.trimmingCharacters(in: .whitespacesAndNewlines)
                #expect(try await fixture.run("wait", "-q", id).code == code, "\(script)")
            }
            for (arguments, words) in [
                (["show", "exe_01jd0000000000000000000000"], "(not_found)"), (["logs", "nonsense"], "(not_found)"),
                (["submit", "nobody"], "there is no agent 'nobody'"),
                (["submit", ServerFixture.agentName, "--memory", "9000000"], "memoryMiB"),
                (["submit", ServerFixture.agentName, "--webhook", "ftp://x"], "webhookUrl"),
                (["wait", "exe_01jd0000000000000000000000"], "(not_found)"),
            ] {
                let program = try Program.paddock(arguments, environment: fixture.environment)
                #expect(try await program.exitCode() == 125)
                #expect(program.stderr.contains(words), "\(arguments): \(program.stderr)")
            }
        }
    }

    @Test("follow a log through a server that is killed and started again, byte for byte")
    func killed() async throws {
        try await ServerFixture.with { fixture in
            let script = "i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo line $i; usleep 50000 || sleep 0.05; done"
            let id = try await fixture.submit(script)
            let follower = try fixture.paddock("logs", "-f", id)
            for count in [50, 150] {
                try await follower.wait(for: "line \(count)") { follower.stdout.contains("line \(count)\n") }
                try await fixture.kill()
                try await Task.sleep(for: .milliseconds(500))
                try await fixture.start()
            }
            #expect(try await follower.exitCode() == 0)
            let expected = (1...400).map { "line \($0)\n" }.joined()
            #expect(follower.stdout == expected)
            #expect(follower.stderr.contains("the connection was lost"))
            #expect(try await fixture.run("wait", "-q", id).code == 0)
            // Read again, as it is stored.
            #expect(try await fixture.run("logs", id).stdout == expected)
            #expect(try await fixture.run("logs", "--tail", "3", id).stdout == "line 398\nline 399\nline 400\n")
        }
    }

    @Test("wait on while the server is away")
    func waiting() async throws {
        try await ServerFixture.with { fixture in
            let id = try await fixture.submit("sleep 20; exit 3")
            let waiter = try fixture.paddock("wait", id)
            try await fixture.waitForRequest()
            try await fixture.kill()
            try await Task.sleep(for: .milliseconds(500))
            try await fixture.start()
            #expect(try await waiter.exitCode() == 3)
        }
    }
}
