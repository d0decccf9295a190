import DatabaseFixtures
import Foundation
import Glibc
import Storage
import Testing

@testable import Runner

/// A node that kills itself at a named step of its execution's life, and the next one with its state folder.
@Suite("A node that dies")
struct CrashPointTests {
    private static let points = ExecutionStep.allCases.map(\.rawValue) + ["logStored"]
    /// No code of the agent's has run, and that is certain.
    private static let beforeLaunch: Set<ExecutionStep> = [
        .claiming, .claimed, .created, .started, .verified, .writingLaunch,
    ]

    @Test(
        "at any step loses nothing, starts nothing twice and leaves nothing behind", .timeLimit(.minutes(5)),
        arguments: Backend.allCases, points)
    func dies(backend: Backend, point: String) async throws {
        let agent = NumberedAgent()
        let step = ExecutionStep(rawValue: point)
        try await NodeFixture.with(backend) { fixture in
            let first = try fixture.process(["NODE_CRASH_AT": point])
            let id = try await fixture.submit(fixture.ticket(agent.script))
            await first.end()
            #expect(first.status == SIGKILL)
            let isLaunchWritten = try await fixture.stored(id).launch != nil

            let second = try fixture.process(stopLimit: 30)
            let next = try await fixture.submit(fixture.ticket(agent.script))
            let ending = try await fixture.ended(id)
            // The Engine's answer to the start can come after the sandbox has spoken, and its launch is written by then.
            let mayBeLost = step == .started && isLaunchWritten && ending["status"] as? String == "lost"
            if step == .launchWritten || mayBeLost {
                // The frame was not sent: the sandbox left without having run anything, and nobody can know that.
                try await agent.expectLost(id, fixture, ending)
                #expect(try await fixture.log(id).isEmpty)
            } else {
                try await agent.expectSucceeded(id, fixture, ending)
            }
            try await agent.expectSucceeded(next, fixture, fixture.ended(next))

            let sandboxes = fixture.history.sandboxes(of: id)
            let isBegunAgain = step.map { Self.beforeLaunch.contains($0) } ?? false
            #expect(sandboxes.count == 1 || isBegunAgain && sandboxes.count == 2, "\(sandboxes)")
            #expect(Set(sandboxes.map(\.name)).count == 1, "one fence: \(sandboxes)")
            #expect(fixture.history.overlaps.isEmpty)
            try await fixture.expectEachEndedOnce()
            // What the first one had in the state folder is gone too.
            try await eventually { try fixture.runners().count == 1 }
            await second.stop()
            #expect(second.status == 0)
        }
    }

    @Test("before it takes anything leaves the queue as it is", .timeLimit(.minutes(5)), arguments: Backend.allCases)
    func diesIdle(backend: Backend) async throws {
        let agent = NumberedAgent(lines: 10)
        try await NodeFixture.with(backend) { fixture in
            let id = try await fixture.submit(fixture.ticket(agent.script))
            // Nothing fits into a node without slots.
            let idle = try fixture.process(["NODE_SLOTS": "0"])
            try await eventually { try fixture.runners().count == 1 }
            await idle.kill9()
            #expect(try await fixture.stored(id).state == .queued)
            let next = try fixture.process(stopLimit: 30)
            try await agent.expectSucceeded(id, fixture, fixture.ended(id))
            await next.stop()
        }
    }
}
