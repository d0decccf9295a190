import DatabaseFixtures
import DockerAPI
import EngineFixtures
import Foundation
import Glibc
import Storage
import Testing

@testable import Runner

/// Two nodes on one database, each with an Engine and a state folder of its own.
@Suite("Two nodes")
struct TwoNodeTests {
    /// Short, so that a test need not wait long for it to run out; long enough for a busy machine.
    private static let lease = ["NODE_LEASE": "10"]

    /// - Parameter body: gets the one on the machine's Engine, then the one on a private one.
    private func withTwo(
        _ backend: Backend, _ body: (_ one: NodeFixture, _ other: NodeFixture) async throws -> Void
    ) async throws {
        try await PrivateEngine.with { engine in
            try await backend.withURL { url in
                try await NodeFixture.with(url: url) { one in
                    try await NodeFixture.with(url: url, engine: engine.host) { try await body(one, $0) }
                }
            }
        }
    }

    @Test(
        "share the queue, and never an execution", .timeLimit(.minutes(5)), arguments: Backend.allCases)
    func share(backend: Backend) async throws {
        let agent = NumberedAgent(lines: 100, pause: 0.5)
        let held = NumberedAgent(lines: 100, pause: 0, waits: true)
        try await withTwo(backend) { one, other in
            let slots = ["NODE_SLOTS": "2"]
            let nodes = [try one.process(stopLimit: 30, slots), try other.process(stopLimit: 30, slots)]
            var ids: [ExecutionID] = []
            // More than one of them has room for.
            for _ in 0..<4 { ids.append(try await one.submit(one.ticket(held.script))) }
            for id in ids { try await eventually { try await !one.log(id).isEmpty } }
            for id in ids { try await (one.history.sandboxes(of: id).isEmpty ? other : one).letGo(id) }
            for _ in 0..<8 { ids.append(try await one.submit(one.ticket(agent.script))) }
            for id in ids { try await agent.expectSucceeded(id, one, one.ended(id)) }
            for node in nodes { await node.stop() }
            let (first, second) = (one.history.sandboxes, other.history.sandboxes)
            #expect(!first.isEmpty && !second.isEmpty, "\(first.count) and \(second.count)")
            #expect(Set((first + second).map(\.execution)).count == ids.count)
            #expect(first.count + second.count == ids.count, "each once")
        }
    }

    @Test(
        "of which one dies: the other takes over nothing, and ends as lost what its lease no longer holds",
        .timeLimit(.minutes(5)), arguments: Backend.allCases)
    func dies(backend: Backend) async throws {
        let agent = NumberedAgent(lines: 200, pause: 30)
        let quick = NumberedAgent(lines: 10)
        try await withTwo(backend) { one, other in
            let first = try one.process(Self.lease)
            let id = try await one.submit(one.ticket(agent.script))
            try await eventually { try await one.log(id).bytes().count > 0 }
            await first.kill9()
            let second = try other.process(stopLimit: 30, Self.lease)
            let next = try await other.submit(other.ticket(quick.script))
            try await quick.expectSucceeded(next, other, other.ended(next))
            try await eventually { try await one.stored(id).state.isEnd }
            #expect(other.history.sandboxes(of: id).isEmpty, "it was not run a second time")
            // Its sandbox is still there, on an Engine that the other one cannot reach: its own node removes it.
            let back = try one.process(stopLimit: 30, Self.lease)
            try await agent.expectLost(id, one, one.ended(id))
            for node in [second, back] { await node.stop() }
        }
    }

    @Test(
        "of which one dies and is back within its lease: it goes on with what it ran", .timeLimit(.minutes(5)),
        arguments: Backend.allCases)
    func isBack(backend: Backend) async throws {
        let agent = NumberedAgent(lines: 200, pause: 1, waits: true)
        let lease = ["NODE_LEASE": "120"]
        try await withTwo(backend) { one, other in
            let second = try other.process(stopLimit: 30, lease.merging(["NODE_SLOTS": "0"]) { $1 })
            let first = try one.process(lease)
            let id = try await one.submit(one.ticket(agent.script))
            try await eventually { try await one.log(id).bytes().count > 0 }
            await first.kill9()
            let back = try one.process(stopLimit: 30, lease)
            try await one.letGo(id)
            try await agent.expectSucceeded(id, one, one.ended(id))
            #expect(one.history.sandboxes(of: id).count == 1)
            for node in [second, back] { await node.stop() }
        }
    }

    @Test(
        "of which one is cut off for longer than its lease: what it ran is lost, and it lets go of it",
        .timeLimit(.minutes(5)))
    func cutOff() async throws {
        let agent = NumberedAgent(lines: 200, pause: 30)
        let quick = NumberedAgent(lines: 10)
        // A process that is stopped while it writes holds the one lock of an SQLite file: PostgreSQL ends its session.
        try await withTwo(.postgres) { one, other in
            let first = try one.process(stopLimit: 30, Self.lease)
            let id = try await one.submit(one.ticket(agent.script))
            try await eventually { try await one.log(id).bytes().count > 0 }
            first.signal(SIGSTOP)
            let second = try other.process(stopLimit: 30, Self.lease)
            try await eventually(within: .seconds(60)) { try await one.stored(id).state.isEnd }
            let ending = try await one.stored(id).ending
            let log = try await one.log(id)
            // Awake, it hears that the lease is another's matter: it writes nothing, and kills what it ran.
            first.signal(SIGCONT)
            try await agent.expectLost(id, one, one.ended(id))
            #expect(try await one.stored(id).ending == ending)
            #expect(try await one.log(id) == log)
            #expect(other.history.sandboxes(of: id).isEmpty)
            // It is a node like any other again. Alone: what it takes after a pause of the machine is not the other's.
            await second.stop()
            let next = try await one.submit(one.ticket(quick.script))
            try await quick.expectSucceeded(next, one, one.ended(next))
            await first.stop()
        }
    }
}
