import DatabaseFixtures
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
        let agent = NumberedAgent()
        try await NodeFixture.with(backend) { fixture in
            var during: [ExecutionID] = []
            for _ in 0..<Self.kills {
                let waiting = try await fixture.database.query(
                    "SELECT count(*) AS number FROM executions WHERE finished_at IS NULL")
                for _ in try (waiting.first?["number"] ?? 0)..<Self.load {
                    during.append(try await fixture.submit(fixture.ticket(agent.script)))
                }
                let node = try fixture.process()
                try await Task.sleep(for: .milliseconds(Int.random(in: 100...2000)))
                await node.kill9()
            }
            var after: [ExecutionID] = []
            for _ in 0..<Self.load { after.append(try await fixture.submit(fixture.ticket(agent.script))) }
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
            try await eventually(within: .seconds(10)) { try fixture.runners().count == 1 }
            await last.stop()
            print("\(backend): \(Self.kills) kills, \(during.count + after.count) executions, \(lost) of them lost")
        }
    }
}
