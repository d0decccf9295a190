import DatabaseFixtures
import DockerAPI
import EngineFixtures
import Foundation
import Glibc
import Storage
import Testing

@testable import Runner

/// A node whose database fails while executions run.
@Suite("A node and its database")
struct DatabaseFaultTests {
    @Test(
        "that is away for ten seconds: what runs goes on, what ended meanwhile is stored when it is back",
        .timeLimit(.minutes(4)))
    func away() async throws {
        let agent = NumberedAgent(lines: 300, pause: 2)
        try await PrivateCluster.with { cluster in
            try await NodeFixture.with(url: cluster.url()) { fixture in
                let node = try fixture.process(stopLimit: 60)
                var ids: [ExecutionID] = []
                for _ in 0..<4 { ids.append(try await fixture.submit(fixture.ticket(agent.script))) }
                for id in ids { try await eventually { try await !fixture.log(id).isEmpty } }
                try await cluster.send("stop")
                try await Task.sleep(for: .seconds(10))
                try await cluster.send("start")
                for id in ids { try await agent.expectSucceeded(id, fixture, fixture.ended(id)) }
                let next = try await fixture.submit(fixture.ticket(agent.script))
                try await agent.expectSucceeded(next, fixture, fixture.ended(next))
                #expect(fixture.history.sandboxes.count == ids.count + 1, "each once")
                await node.stop()
            }
        }
    }

    @Test("that is killed in the middle of transactions, again and again", .timeLimit(.minutes(4)))
    func killed() async throws {
        let agent = NumberedAgent(lines: 300, pause: 0.3)
        try await PrivateCluster.with { cluster in
            try await NodeFixture.with(url: cluster.url()) { fixture in
                let node = try fixture.process(stopLimit: 60)
                var ids: [ExecutionID] = []
                for _ in 0..<5 {
                    for _ in 0..<4 { ids.append(try await fixture.submit(fixture.ticket(agent.script))) }
                    // They claim, launch, log and end all the time.
                    try await Task.sleep(for: .milliseconds(Int.random(in: 200...1500)))
                    try await cluster.send("kill")
                    try await cluster.send("start")
                }
                for id in ids { try await agent.expectSucceeded(id, fixture, fixture.ended(id)) }
                #expect(fixture.history.sandboxes.count == ids.count, "each once")
                await node.stop()
            }
        }
    }

    @Test("that is away together with it: the next one waits for it, and ends all truly", .timeLimit(.minutes(4)))
    func bothKilled() async throws {
        let agent = NumberedAgent(lines: 300, pause: 1)
        try await PrivateCluster.with { cluster in
            try await NodeFixture.with(url: cluster.url()) { fixture in
                let first = try fixture.process()
                let id = try await fixture.submit(fixture.ticket(agent.script))
                try await eventually { try await !fixture.log(id).isEmpty }
                try await cluster.send("kill")
                await first.kill9()
                let second = try fixture.process(stopLimit: 60)
                try await cluster.send("start")
                try await agent.expectSucceeded(id, fixture, fixture.ended(id))
                await second.stop()
            }
        }
    }

    @Test(
        "whose disk is full: nothing is lost, and all goes on when there is room", .timeLimit(.minutes(4)),
        arguments: Backend.allCases)
    func fullDisk(backend: Backend) async throws {
        let agent = NumberedAgent(lines: 300, pause: 1)
        try await SmallDisk.with { disk in
            try await withDatabase(backend, disk.path) { url in
                try await NodeFixture.with(url: url) { fixture in
                    let node = try fixture.process(stopLimit: 60)
                    let id = try await fixture.submit(fixture.ticket(agent.script))
                    try await eventually { try await !fixture.log(id).isEmpty }
                    try disk.fill()
                    // It writes and ends without a place for either; nothing new is taken in.
                    try await eventually {
                        do {
                            _ = try await fixture.submit(fixture.ticket("true"))
                            return false
                        } catch {
                            return true
                        }
                    }
                    try await Task.sleep(for: .seconds(4))
                    try disk.makeRoom()
                    try await agent.expectSucceeded(id, fixture, fixture.ended(id))
                    let next = try await fixture.submit(fixture.ticket(agent.script))
                    try await agent.expectSucceeded(next, fixture, fixture.ended(next))
                    await node.stop()
                }
            }
        }
    }

    /// A database in that folder.
    private func withDatabase(_ backend: Backend, _ folder: String, _ body: (String) async throws -> Void) async throws
    {
        switch backend {
        case .sqlite: try await body("sqlite:\(folder)/paddock.sqlite")
        case .postgres:
            try await PrivateCluster.with(in: folder + "/postgres") { cluster in try await body(cluster.url()) }
        }
    }

    @Test(
        "with a state folder whose disk is full: what runs ends truly, and new work says why it cannot be run",
        .timeLimit(.minutes(4)))
    func fullStateFolder() async throws {
        let agent = NumberedAgent()
        // A private Engine sees the disk wherever the test is run, as it is started where the test is.
        try await SmallDisk.with { disk in
            try await PrivateEngine.with { engine in
                try await Backend.sqlite.withURL { url in
                    try await NodeFixture.with(url: url, engine: engine.host, state: disk.path + "/state") { fixture in
                        let node = try fixture.process(stopLimit: 60)
                        let id = try await fixture.submit(fixture.ticket(NumberedAgent(waits: true).script))
                        try await eventually { try await !fixture.log(id).isEmpty }
                        try disk.fill()
                        // The first one has its user id's files; a second one at the same time needs new ones.
                        let other = try await fixture.submit(fixture.ticket("echo never"))
                        try await eventually { try await fixture.stored(other).state.isEnd }
                        let ending = try #require(try await fixture.stored(other).ending)
                        #expect(ending.contains("engine_error") && ending.contains("Make room there"), "\(ending)")
                        try await fixture.letGo(id)
                        try await eventually { try await fixture.stored(id).state.isEnd }
                        try disk.makeRoom()
                        try await agent.expectSucceeded(id, fixture, fixture.ended(id))
                        let next = try await fixture.submit(fixture.ticket(agent.script))
                        try await agent.expectSucceeded(next, fixture, fixture.ended(next))
                        await node.stop()
                    }
                }
            }
        }
    }
}
