import DatabaseFixtures
import DockerAPI
import Foundation
import Glibc
import Storage
import Testing

@testable import Runner

@Suite("A node", .serialized, .timeLimit(.minutes(5)))
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

                let receipt = try await fixture.receipt(good)
                #expect(receipt.log.stdout == ContentDigest(of: Array("out\n".utf8)))
                #expect(receipt.policy?.held.isEmpty == false)

                #expect(try await fixture.ended(bad)["exitCode"] as? Int == 3)
                #expect(try await fixture.ended(absent)["reason"] as? String == "image_error")
                // Of what never had a sandbox too.
                #expect(try await fixture.receipt(absent).reason == .imageError)
                let trail = AuditTrail(fixture.database)
                try await eventually { try await trail.entries(after: 0, limit: 500).count == 8 }
                #expect(
                    try await trail.entries(after: 0, subject: good.description, limit: 9).map(\.action)
                        == ["execution.claimed", "execution.launched", "execution.finished"])
                _ = try await trail.verify()
                let last = try await trail.entries(after: 0, subject: good.description, limit: 9).last
                #expect(receipt.audit == last?.head)
            }
        }
    }

    @Test("ends what no receipt can be made of", .timeLimit(.minutes(5)))
    func withoutReceipt() async throws {
        try await NodeFixture.with(.sqlite) { fixture in
            try await fixture.withNode { _ in
                var ticket = try fixture.ticket("echo done")
                // The API takes none such.
                ticket.input = "no JSON"
                let id = try await fixture.submit(ticket)
                #expect(try await fixture.ended(id)["status"] as? String == "succeeded")
                #expect(try await !StoredReceipt.isDue(id, in: fixture.database))
                #expect(try await StoredReceipt.find(id, in: fixture.database) == nil)
            }
        }
    }

    @Test("gives an agent its secrets as files", .timeLimit(.minutes(5)), arguments: Backend.allCases)
    func secrets(backend: Backend) async throws {
        try await NodeFixture.with(backend) { fixture in
            try await fixture.withNode { _ in
                let id = try await fixture.submit(
                    fixture.ticket("cat /run/paddock/secrets/token; env | grep -c s3cret; true"),
                    secrets: ["token": Array("s3cret\n".utf8)])
                #expect(try await fixture.ended(id)["status"] as? String == "succeeded")
                #expect(try await fixture.log(id).text == "s3cret\n0\n")
                #expect(try await fixture.database.query("SELECT execution_id FROM execution_secrets").isEmpty)
            }
        }
    }

    @Test("cancels what runs, and what waits", arguments: Backend.allCases)
    func cancels(backend: Backend) async throws {
        try await NodeFixture.with(backend) { fixture in
            try await fixture.withNode({ $0.slots = 1 }) { node in
                let running = try await fixture.submit(
                    fixture.ticket("\(NumberedAgent.listens); trap : TERM; echo ready; \(NumberedAgent.waiting)"))
                for try await _ in node.logs.read(running, follows: true) { break }
                try await eventually { try await !fixture.log(running).isEmpty }
                let waiting = try await fixture.submit(fixture.ticket("echo never"))
                for id in [waiting, running] {
                    try await ExecutionCanceller(fixture.database).cancel(id, actor: "usr_a", reason: "not needed")
                }
                // The agent takes its time, and its end comes after that is written.
                try await eventually { try await fixture.stored(running).stoppingAt != nil }
                try await fixture.letGo(running)
                let ended = try await fixture.ended(running)
                #expect(ended["status"] as? String == "canceled")
                #expect(ended["message"] as? String == "canceled: not needed")
                #expect(try await fixture.stored(waiting).state == .canceled)
                #expect(try await fixture.log(waiting).isEmpty)
                #expect(try await fixture.receipt(waiting).status == .canceled)
            }
        }
    }

    @Test("cancels what waits for its image, which a registry does not give")
    func cancelsPull() async throws {
        let registry = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(registry) }
        // Connections are taken, and never answered.
        #expect(listen(registry, 8) == 0)
        var address = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isNamed = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(registry, $0, &size) }
        }
        #expect(isNamed == 0)
        let port = UInt16(bigEndian: address.sin_port)
        try await NodeFixture.with(.sqlite) { fixture in
            try await fixture.withNode({ $0.slots = 1 }) { _ in
                var ticket = try fixture.ticket("true")
                ticket.image = "127.0.0.1:\(port)/agent:1"
                let id = try await fixture.submit(ticket)
                try await eventually { try await fixture.stored(id).state == .starting }
                try await ExecutionCanceller(fixture.database).cancel(id, actor: "usr_a")
                let ended = try await fixture.ended(id)
                #expect(ended["status"] as? String == "canceled")
                #expect(ended["message"] as? String == "canceled, before the agent was started")
                // Its slot is free again.
                let next = try await fixture.submit(fixture.ticket("true"))
                #expect(try await fixture.ended(next)["status"] as? String == "succeeded")
            }
        }
    }

    private static let lines = 3000
    private static let numbered =
        "\(NumberedAgent.listens); i=0; while [ $i -lt \(lines) ]; do i=$((i+1)); echo line $i; "
        + "[ $i != 1500 ] || \(NumberedAgent.waiting); done; exit 7"

    /// - Parameter signal: that ends the first node while the agent runs.
    @Test(
        "leaves what runs to the next one, which ends it truly with its whole log",
        arguments: Backend.allCases, [SIGTERM, SIGKILL])
    func handsOver(backend: Backend, signal: Int32) async throws {
        try await NodeFixture.with(backend) { fixture in
            let first = try fixture.process()
            let long = try await fixture.submit(fixture.ticket(Self.numbered))
            let short = try await fixture.submit(
                fixture.ticket("\(NumberedAgent.listens); echo begun; \(NumberedAgent.waiting); echo over"))
            for id in [long, short] { try await eventually { try await !fixture.log(id).isEmpty } }
            first.signal(signal)
            await first.end()
            #expect(first.status == (signal == SIGTERM ? 0 : SIGKILL))
            for id in [long, short] { #expect(try await fixture.stored(id).state == .running) }
            // The short one may end while nobody is there.
            try await fixture.letGo(short)
            try await Task.sleep(for: .seconds(1))

            let second = try fixture.process()
            try await fixture.letGo(long)
            #expect(try await fixture.ended(long)["exitCode"] as? Int == 7)
            #expect(try await fixture.ended(short)["status"] as? String == "succeeded")
            for (id, text) in [
                (long, (1...Self.lines).map { "line \($0)\n" }.joined()), (short, "begun\nover\n"),
            ] {
                let records = try await fixture.log(id)
                #expect(records.isWhole())
                #expect(records.text == text)
                let notes = try await fixture.ended(id)["notes"] as? [[String: String]]
                #expect(notes?.map { $0["code"] } == ["log_recovered"])
                let signed = try await fixture.receipt(id)
                #expect(signed.log.stdout == ContentDigest(of: Array(text.utf8)))
                #expect(signed.policy?.held.isEmpty == false)
            }
            await second.stop()
            #expect(second.status == 0)
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
