import DatabaseFixtures
import DockerAPI
import Foundation
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
                    _ = try await fixture.database.transaction { transaction in
                        try await fixture.queue.cancel(id.description, ending: "{}", in: transaction)
                    }
                }
                #expect(try await fixture.ended(running)["status"] as? String == "canceled")
                #expect(try await fixture.stored(waiting).state == .canceled)
                #expect(try await fixture.log(waiting).isEmpty)
            }
        }
    }

    @Test("leaves what runs to the next one, which ends it truly with its whole log", arguments: Backend.allCases)
    func handsOver(backend: Backend) async throws {
        try await NodeFixture.with(backend) { fixture in
            let lines = 2000
            let script = "i=0; while [ $i -lt \(lines) ]; do i=$((i+1)); echo line $i; [ $i = 1000 ] && sleep 3; done; exit 7"
            var id = ExecutionID()
            try await fixture.withNode({ $0.stopLimit = .zero }) { _ in
                id = try await fixture.submit(fixture.ticket(script))
                try await eventually { try await !fixture.log(id).isEmpty }
            }
            #expect(try await fixture.stored(id).state == .running)
            try await fixture.withNode { _ in
                let ended = try await fixture.ended(id)
                #expect(ended["exitCode"] as? Int == 7, "\(ended)")
            }
            let records = try await fixture.log(id)
            #expect(records.isWhole())
            #expect(records.bytes() == Array((1...lines).map { "line \($0)\n" }.joined().utf8))
        }
    }

    @Test("ends what it can only call lost, and removes a sandbox without an owner", arguments: Backend.allCases)
    func lost(backend: Backend) async throws {
        try await NodeFixture.with(backend) { fixture in
            var id = ExecutionID()
            try await fixture.withNode({ $0.stopLimit = .zero }) { _ in
                id = try await fixture.submit(fixture.ticket("echo ready; sleep 600"))
                try await eventually { try await !fixture.log(id).isEmpty }
            }
            // Somebody else has ended it meanwhile.
            try await fixture.database.execute(
                """
                UPDATE executions SET state = 'lost', ending = '{}', finished_at = \(Date()), lease_holder = NULL,
                    lease_expires_at = NULL WHERE id = \(id.description)
                """)
            try await fixture.withNode { _ in
                let host = try RunnerHost(client: fixture.client, folder: try StateFolder(path: fixture.folder))
                try await eventually { try await host.fencedSandboxes().isEmpty }
            }
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
