import DatabaseFixtures
import DockerAPI
import Foundation
import Glibc
import Storage
import Testing

@testable import Runner

/// An agent with an allow-list whose runner dies.
@Suite("An agent with a way out")
struct EgressAdoptionTests {
    /// Asks until nobody answers any more, and from then until somebody does again.
    private static func script(_ url: String) -> String {
        """
        ask() { wget -q -O - \(url) 2>/dev/null; }
        echo "before: $(ask)"
        while ask >/dev/null; do sleep 0.1; done
        echo away
        until answer=$(ask); do sleep 0.1; done
        echo "after: $answer"
        """
    }

    @Test("has it again when the next node takes it over", .timeLimit(.minutes(3)))
    func goesOn() async throws {
        try await HostServer.with { port in
            try await NodeFixture.with(.sqlite) { fixture in
                var ticket = try fixture.ticket(Self.script("http://localhost:\(port)/"), timeout: 100)
                ticket.allow = ["localhost:\(port)"]
                ticket.allowPrivate = ["127.0.0.1/32"]
                let first = try fixture.process()
                let id = try await fixture.submit(ticket)
                try await eventually { try await !fixture.log(id).isEmpty }
                await first.kill9()
                let sandbox = try #require(fixture.history.sandboxes(of: id).first)
                try await eventually { try await Self.output(of: sandbox.id, fixture).contains("away\n") }

                let second = try fixture.process(stopLimit: 30)
                let ending = try await fixture.ended(id)
                #expect(ending["status"] as? String == "succeeded", "\(ending)")
                #expect(
                    try await fixture.log(id).text
                        == "before: hello from the host\naway\nafter: hello from the host\n")
                let network = ending["network"] as? [String: Any]
                let connections = network?["connections"] as? [[String: Any]] ?? []
                #expect(connections.contains { $0["verdict"] as? String == "allowed" }, "\(ending)")
                let notes = ending["notes"] as? [[String: String]] ?? []
                #expect(notes.contains { $0["message"]?.contains("connections before") == true }, "\(notes)")
                await second.stop()
            }
        }
    }

    private static func output(of container: String, _ fixture: NodeFixture) async throws -> String {
        var bytes: [UInt8] = []
        for try await frame in try await fixture.client.containerLogs(container) { bytes += frame.bytes }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// `Tests/Egress/server.py`, on this machine's loopback.
enum HostServer {
    static func with(_ body: (_ port: Int) async throws -> Void) async throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Egress/server.py")
        process.arguments = ["python3", script.path]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        // The tests ignore SIGTERM, and so does what they start.
        defer { kill(process.processIdentifier, SIGKILL) }
        let line = await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                var text = Data()
                while text.last != UInt8(ascii: "\n") {
                    let more = output.fileHandleForReading.availableData
                    if more.isEmpty { break }
                    text += more
                }
                continuation.resume(returning: String(decoding: text, as: UTF8.self))
            }
        }
        try await body(try #require(Int(line.dropLast())))
    }
}
