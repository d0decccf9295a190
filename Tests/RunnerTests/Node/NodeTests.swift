import DatabaseFixtures
import DockerAPI
import Foundation
import Glibc
import Storage
import Testing

@testable import Runner

@Suite("A node", .serialized)
struct NodeTests {
    @Test("runs what is in the queue, and stores log, ending and usage", arguments: Backend.allCases)
    func runs(backend: Backend) async throws {
        try await NodeFixture.with(backend) { fixture in
            try await fixture.withNode { _ in
                let good = try await fixture.submit(
                    fixture.ticket("echo out; echo err >&2; echo '{\"a\": 1}' > $OUTPUT"))
                let bad = try await fixture.submit(fixture.ticket("exit 3"))
                var missing = try fixture.ticket("true")
                missing.image = "paddock/nosuch:1"
                let absent = try await fixture.submit(missing)

                let ended = try await fixture.ended(good)
                #expect(ended["status"] as? String == "succeeded", "\(ended)")
                #expect(ended["output"] as? [String: Int] == ["a": 1])
                let records = try await fixture.log(good)
                #expect(records.bytes(of: .stdout) == Array("out\n".utf8))
                #expect(records.bytes(of: .stderr) == Array("err\n".utf8))
                let usage = try await fixture.database.query(
                    "SELECT log_bytes, max_memory_bytes FROM execution_usage WHERE execution_id = \(good.description)")
                #expect(try usage.first?["log_bytes"] == 8)

                #expect(try await fixture.ended(bad)["exitCode"] as? Int == 3)
                #expect(try await fixture.ended(absent)["reason"] as? String == "image_error")
            }
        }
    }

    @Test("cancels what runs, and what waits", arguments: Backend.allCases)
    func cancels(backend: Backend) async throws {
        try await NodeFixture.with(backend) { fixture in
            try await fixture.withNode({ $0.slots = 1 }) { node in
                let running = try await fixture.submit(fixture.ticket("echo ready; sleep 600"))
                for try await _ in node.logs.read(running, follows: true) { break }
                try await eventually { try await !fixture.log(running).isEmpty }
                let waiting = try await fixture.submit(fixture.ticket("echo never"))
                for id in [waiting, running] {
                    try await ExecutionCanceller(fixture.database).cancel(id, actor: "usr_a", reason: "not needed")
                }
                let ended = try await fixture.ended(running)
                #expect(ended["status"] as? String == "canceled")
                #expect(ended["message"] as? String == "canceled: not needed")
                #expect(try await fixture.stored(waiting).state == .canceled)
                #expect(try await fixture.stored(running).stoppingAt != nil)
                #expect(try await fixture.log(waiting).isEmpty)
            }
        }
    }

    private static let lines = 3000
    private static let numbered =
        "i=0; while [ $i -lt \(lines) ]; do i=$((i+1)); echo line $i; [ $i = 1500 ] && sleep 3; done; exit 7"

    /// - Parameter signal: that ends the first node while the agent runs.
    @Test(
        "leaves what runs to the next one, which ends it truly with its whole log",
        arguments: Backend.allCases, [SIGTERM, SIGKILL])
    func handsOver(backend: Backend, signal: Int32) async throws {
        try await NodeFixture.with(backend) { fixture in
            let first = try fixture.process()
            let long = try await fixture.submit(fixture.ticket(Self.numbered))
            let short = try await fixture.submit(fixture.ticket("echo begun; sleep 1; echo over"))
            for id in [long, short] { try await eventually { try await !fixture.log(id).isEmpty } }
            kill(first.processIdentifier, signal)
            await fixture.end(of: first)
            #expect(first.terminationStatus == (signal == SIGTERM ? 0 : SIGKILL))
            #expect(try await fixture.stored(long).state == .running)
            // The short one may end while nobody is there.
            try await Task.sleep(for: .seconds(2))

            let second = try fixture.process()
            #expect(try await fixture.ended(long)["exitCode"] as? Int == 7)
            #expect(try await fixture.ended(short)["status"] as? String == "succeeded")
            for (id, text) in [
                (long, (1...Self.lines).map { "line \($0)\n" }.joined()), (short, "begun\nover\n"),
            ] {
                let records = try await fixture.log(id)
                #expect(records.isWhole())
                #expect(String(decoding: records.bytes(), as: UTF8.self) == text)
            }
            kill(second.processIdentifier, SIGTERM)
            await fixture.end(of: second)
            #expect(second.terminationStatus == 0)
        }
    }

    @Test("killed again and again, loses nothing and runs nothing twice", arguments: Backend.allCases)
    func killedAgainAndAgain(backend: Backend) async throws {
        try await NodeFixture.with(backend) { fixture in
            var ids: [ExecutionID] = []
            for number in 0..<12 {
                ids.append(try await fixture.submit(fixture.ticket("echo \(number); sleep 0.2; echo end")))
            }
            for _ in 0..<6 {
                let node = try fixture.process()
                try await Task.sleep(for: .milliseconds(Int.random(in: 100...1200)))
                kill(node.processIdentifier, SIGKILL)
                await fixture.end(of: node)
            }
            let last = try fixture.process()
            for (number, id) in ids.enumerated() {
                let ended = try await fixture.ended(id)
                // Killed between sending and the agent's beginning, it ends as engine_error or lost, and says so.
                if ended["status"] as? String == "succeeded" {
                    #expect(String(decoding: try await fixture.log(id).bytes(), as: UTF8.self) == "\(number)\nend\n")
                } else {
                    #expect(["lost", "failed"].contains(ended["status"] as? String), "\(ended)")
                    #expect(["runner_lost", "engine_error"].contains(ended["reason"] as? String), "\(ended)")
                }
            }
            // Killed between an ending and its sandbox's removal, the next look at the Engine removes it.
            let host = try fixture.host()
            try await eventually { try await host.fencedSandboxes().isEmpty }
            kill(last.processIdentifier, SIGTERM)
            await fixture.end(of: last)
        }
    }

    @Test("a second one with the same state folder is refused")
    func second() async throws {
        try await NodeFixture.with(.sqlite) { fixture in
            try await fixture.withNode { _ in
                let id = try await fixture.submit(fixture.ticket("true"))
                _ = try await fixture.ended(id)
                let other = try fixture.node()
                await #expect(throws: StateFolder.Failure.self) { try await other.run() }
            }
        }
    }
}
