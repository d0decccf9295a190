import DatabaseFixtures
import DockerAPI
import Foundation
import Storage
import Testing

@testable import Runner

/// Nodes that are killed at any moment while there is work.
@Suite("Nodes that are killed at random")
struct KillTests {
    /// `make soak` asks for more.
    private static let kills = ProcessInfo.processInfo.environment["PADDOCK_SOAK_KILLS"].flatMap(Int.init) ?? 10
    /// Executions that wait or run at any moment.
    private static let load = 6

    @Test(
        "lose nothing, run nothing twice and leave nothing behind", .timeLimit(.minutes(30)),
        arguments: Backend.allCases)
    func killed(backend: Backend) async throws {
        try await NodeFixture.with(backend) { fixture in
            try await Self.besideForeignContainer(fixture) { try await Self.killAgainAndAgain(fixture, backend) }
        }
    }

    private static func killAgainAndAgain(_ fixture: NodeFixture, _ backend: Backend) async throws {
        let agent = NumberedAgent()
        var during: [ExecutionID] = []
        for _ in 0..<kills {
            let waiting = try await fixture.database.query(
                "SELECT count(*) AS number FROM executions WHERE finished_at IS NULL")
            for _ in try (waiting.first?["number"] ?? 0)..<load {
                during.append(try await fixture.submit(fixture.ticket(agent.script)))
            }
            let node = try fixture.process()
            try await Task.sleep(for: .milliseconds(Int.random(in: 100...2000)))
            await node.kill9()
        }
        var after: [ExecutionID] = []
        for _ in 0..<load { after.append(try await fixture.submit(fixture.ticket(agent.script))) }
        let last = try fixture.process(stopLimit: 30)
        var lost = 0
        for id in during {
            let ending = try await fixture.ended(id)
            if ending["status"] as? String == "succeeded" {
                try await agent.expectSucceeded(id, fixture, ending)
            } else {
                try await agent.expectLost(id, fixture, ending)
                lost += 1
            }
        }
        for id in after { try await agent.expectSucceeded(id, fixture, fixture.ended(id)) }
        #expect(fixture.history.overlaps.isEmpty)
        try await fixture.expectEachEndedOnce()
        try await eventually { try fixture.runners().count == 1 }
        await last.stop()
        print("\(backend): \(kills) kills, \(during.count + after.count) executions, \(lost) of them lost")
    }

    /// Somebody else's, with labels like ours: it stays as it is.
    private static func besideForeignContainer(_ fixture: NodeFixture, _ body: () async throws -> Void) async throws {
        let id = ExecutionID()
        var spec = ContainerSpec(image: "paddock/busybox:1")
        spec.labels = [
            RunnerHost.Label.state: "of another folder", RunnerHost.Label.runner: "0123456789abcdef",
            RunnerHost.Label.execution: id.description, RunnerHost.Label.fence: "1",
        ]
        let foreign = try await fixture.client.createContainer(name: "\(id).1", spec).id
        do {
            try await body()
            #expect(try await fixture.client.inspectContainer(foreign).state.status == "created")
        } catch {
            try await fixture.client.removeContainer(foreign, force: true)
            throw error
        }
        try await fixture.client.removeContainer(foreign, force: true)
    }
}
