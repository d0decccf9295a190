import DatabaseFixtures
import DockerAPI
import Foundation
import Glibc
import Storage
import Testing

@testable import Runner

/// A node that is told to stop: SIGTERM, once or twice.
@Suite("A node that is told to stop")
struct StopTests {
    @Test(
        "claims nothing more, lets what runs end, and leaves", .timeLimit(.minutes(3)), arguments: Backend.allCases)
    func graceful(backend: Backend) async throws {
        let agent = NumberedAgent(lines: 200, pause: 1)
        try await NodeFixture.with(backend) { fixture in
            let node = try fixture.process(stopLimit: 60)
            let running = try await fixture.submit(fixture.ticket(agent.script))
            try await eventually { try await !fixture.log(running).isEmpty }
            node.signal(SIGTERM)
            // It may be just about to claim when the signal comes; after it has ended one, it has heard of it.
            let late = try await fixture.submit(fixture.ticket(agent.script))
            await node.end()
            #expect(node.status == 0)
            #expect(try await fixture.stored(running).state == .succeeded)
            #expect([.queued, .succeeded].contains(try await fixture.stored(late).state))

            let unclaimed = try await fixture.submit(fixture.ticket(agent.script))
            let next = try fixture.process(stopLimit: 60)
            for id in [running, late, unclaimed] {
                try await agent.expectSucceeded(id, fixture, fixture.ended(id))
            }
            #expect(fixture.history.sandboxes.count == 3, "one sandbox each")
            await next.stop()
        }
    }

    @Test("hands over what still runs at its limit", .timeLimit(.minutes(3)), arguments: Backend.allCases)
    func limit(backend: Backend) async throws {
        let agent = NumberedAgent(waits: true)
        try await NodeFixture.with(backend) { fixture in
            let node = try fixture.process(stopLimit: 1)
            let id = try await fixture.submit(fixture.ticket(agent.script))
            try await eventually { try await !fixture.log(id).isEmpty }
            await node.stop()
            #expect(node.status == 0)
            #expect(try await fixture.stored(id).state == .running)
            let next = try fixture.process(stopLimit: 60)
            try await fixture.letGo(id)
            try await agent.expectSucceeded(id, fixture, fixture.ended(id))
            #expect(fixture.history.sandboxes.count == 1, "it was the same sandbox all the time")
            await next.stop()
        }
    }

    @Test(
        "leaves at once when it is told twice, and loses nothing", .timeLimit(.minutes(3)), arguments: Backend.allCases)
    func twice(backend: Backend) async throws {
        let agent = NumberedAgent(waits: true)
        try await NodeFixture.with(backend) { fixture in
            let node = try fixture.process(stopLimit: 600)
            let id = try await fixture.submit(fixture.ticket(agent.script))
            try await eventually { try await !fixture.log(id).isEmpty }
            node.signal(SIGTERM)
            try await eventually { try String(contentsOf: node.log, encoding: .utf8).contains("stopping") }
            node.signal(SIGTERM)
            await node.end()
            #expect(node.status == 0)
            #expect(try await fixture.stored(id).state == .running)
            let next = try fixture.process(stopLimit: 60)
            try await fixture.letGo(id)
            try await agent.expectSucceeded(id, fixture, fixture.ended(id))
            #expect(fixture.history.sandboxes.count == 1, "it was the same sandbox all the time")
            await next.stop()
        }
    }
}
