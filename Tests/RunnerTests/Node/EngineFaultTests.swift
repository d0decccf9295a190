import DatabaseFixtures
import DockerAPI
import EngineFixtures
import Foundation
import Glibc
import Storage
import Testing

@testable import Runner

/// A node whose Engine fails: a private one, which the test kills, restarts and holds up.
@Suite("A node and its Engine")
struct EngineFaultTests {
    private static let liveRestore = ["--live-restore"]

    private func withFixture(
        _ backend: Backend = .sqlite, _ options: [String] = [],
        _ body: (PrivateEngine, NodeFixture) async throws -> Void
    ) async throws {
        try await PrivateEngine.with(options) { engine in
            try await backend.withURL { url in
                try await NodeFixture.with(url: url, engine: engine.host) { try await body(engine, $0) }
            }
        }
    }

    @Test("that is killed, and restores: what runs goes on, and is followed to its end", .timeLimit(.minutes(5)))
    func killedWithLiveRestore() async throws {
        try await withFixture(.sqlite, Self.liveRestore) { engine, fixture in
            let node = try fixture.process(stopLimit: 30)
            // Silent while the Engine is away: what it writes then waits in a pipe, and is not lost either.
            let id = try await fixture.submit(
                fixture.ticket("echo 1; sleep 4; echo 2; echo problem >&2; sleep 4; echo 3; echo '[1]' > $OUTPUT"))
            try await eventually { try await !fixture.log(id).isEmpty }
            try await engine.kill()
            let waiting = try await fixture.submit(fixture.ticket("echo waited"))
            try await engine.start(Self.liveRestore)

            let ended = try await fixture.ended(id)
            #expect(ended["status"] as? String == "succeeded", "\(ended)")
            #expect(ended["output"] as? [Int] == [1])
            #expect(try await fixture.log(id).text(of: .stdout) == "1\n2\n3\n")
            #expect(try await fixture.log(id).text(of: .stderr) == "problem\n")
            let next = try await fixture.ended(waiting)
            #expect(next["status"] as? String == "succeeded", "\(next)")
            await node.stop()
        }
    }

    @Test(
        "that goes away, and restores nothing: what ran ends as the Engine ended it, and what waits is run",
        .timeLimit(.minutes(5)), arguments: [SIGKILL, SIGTERM])
    func away(signal: Int32) async throws {
        try await withFixture { engine, fixture in
            let node = try fixture.process(stopLimit: 30)
            let id = try await fixture.submit(fixture.ticket("echo begun; exec sleep 600", timeout: 600))
            try await eventually { try await !fixture.log(id).isEmpty }
            if signal == SIGKILL { try await engine.kill() } else { try await engine.stop() }
            let waiting = try await fixture.submit(fixture.ticket("echo waited"))
            try await engine.start()

            let ended = try await fixture.ended(id)
            #expect(ended["status"] as? String == "failed", "\(ended)")
            // An Engine that goes, or finds at its start what it had left, may send the agent a signal first: then that
            // is how it ended.
            let isSignal =
                ended["reason"] as? String == "signal" && ["SIGTERM", "SIGKILL"].contains(ended["signal"] as? String)
            #expect(isSignal || ended["reason"] as? String == "engine_error", "\(ended)")
            #expect(try await fixture.log(id).text(of: .stdout) == "begun\n")
            let next = try await fixture.ended(waiting)
            #expect(next["status"] as? String == "succeeded", "\(next)")
            #expect(try await fixture.log(waiting).text(of: .stdout) == "waited\n")
            await node.stop()
        }
    }

    /// - Parameter signal: that ends the Engine.
    @Test(
        "that restarts while agents write, and restores: their logs are what they wrote", .timeLimit(.minutes(5)),
        arguments: [SIGKILL, SIGTERM])
    func restartsUnderWriters(signal: Int32) async throws {
        let agent = NumberedAgent(lines: 15000, pause: 0.02)
        try await withFixture(.sqlite, Self.liveRestore) { engine, fixture in
            let node = try fixture.process(stopLimit: 30)
            var ids: [ExecutionID] = []
            for _ in 0..<2 { ids.append(try await fixture.submit(fixture.ticket(agent.script))) }
            for id in ids { try await eventually { try await !fixture.log(id).isEmpty } }
            if signal == SIGKILL { try await engine.kill() } else { try await engine.stop() }
            try await engine.start(Self.liveRestore)
            for id in ids { try await agent.expectSucceeded(id, fixture, fixture.ended(id)) }
            await node.stop()
        }
    }

    @Test("that stays away: what runs ends at its timeout, and is removed when it is back", .timeLimit(.minutes(5)))
    func staysAway() async throws {
        try await withFixture(.sqlite, Self.liveRestore) { engine, fixture in
            let node = try fixture.process(stopLimit: 30)
            let id = try await fixture.submit(fixture.ticket("echo begun; sleep 600", timeout: 15))
            try await eventually { try await !fixture.log(id).isEmpty }
            try await engine.kill()
            // Its timeout, its grace, and what it takes to believe that nothing can be reached.
            try await eventually(within: .seconds(180)) { try await fixture.stored(id).state == .timedOut }
            try await engine.start(Self.liveRestore)
            #expect(try await fixture.ended(id)["reason"] as? String == "wall_timeout")
            #expect(try await fixture.log(id).text(of: .stdout) == "begun\n")
            await node.stop()
        }
    }

    @Test("that hangs: what runs goes on, and nothing is lost when it answers again", .timeLimit(.minutes(5)))
    func hangs() async throws {
        let agent = NumberedAgent()
        try await withFixture { engine, fixture in
            let node = try fixture.process(stopLimit: 30)
            let running = try await fixture.submit(fixture.ticket(NumberedAgent(waits: true).script))
            try await eventually { try await !fixture.log(running).isEmpty }
            let process = try await fixture.initProcess(of: running)
            try await engine.hang()
            kill(process, SIGUSR1)
            let waiting = try await fixture.submit(fixture.ticket(agent.script))
            // Longer than the agent needs.
            try await Task.sleep(for: .seconds(6))
            #expect(try await !fixture.stored(running).state.isEnd)
            try await engine.resume()
            for id in [running, waiting] {
                try await agent.expectSucceeded(id, fixture, fixture.ended(id))
            }
            await node.stop()
        }
    }

    @Test("that goes away together with it: the next one ends truly what they ran", .timeLimit(.minutes(5)))
    func bothAway() async throws {
        try await withFixture(.sqlite, Self.liveRestore) { engine, fixture in
            let first = try fixture.process()
            let script = "\(NumberedAgent.listens); echo 1; \(NumberedAgent.waiting); echo 2"
            let short = try await fixture.submit(fixture.ticket("\(script); exit 3"))
            let long = try await fixture.submit(fixture.ticket(script))
            for id in [short, long] { try await eventually { try await !fixture.log(id).isEmpty } }
            let process = try await fixture.initProcess(of: short)
            await first.kill9()
            try await engine.kill()
            kill(process, SIGUSR1)
            try await engine.start(Self.liveRestore)
            let second = try fixture.process(stopLimit: 30)
            try await fixture.letGo(long)
            let ended = try await fixture.ended(long)
            #expect(ended["status"] as? String == "succeeded", "\(ended)")
            #expect(try await fixture.log(long).text(of: .stdout) == "1\n2\n")
            // What it said when neither was there to hear it may be lost, and with it how it ended.
            let other = try await fixture.ended(short)
            let said = try await fixture.log(short).text(of: .stdout)
            if other["status"] as? String == "lost" {
                #expect(["1\n", "1\n2\n"].contains(said), "\(said)")
            } else {
                #expect(other["exitCode"] as? Int == 3, "\(other)")
                #expect(said == "1\n2\n")
            }
            await second.stop()
        }
    }

    @Test("that hangs in start: what waits for it ends in time, and what comes after runs", .timeLimit(.minutes(5)))
    func hangsInStart() async throws {
        try await withFixture { engine, fixture in
            let node = try fixture.process(stopLimit: 30)
            let running = try await fixture.submit(fixture.ticket("echo begun; sleep 20; echo over"))
            try await eventually { try await !fixture.log(running).isEmpty }
            try engine.hangInStart(true)
            let stuck = try await fixture.submit(fixture.ticket("echo never"))
            // What runs is not held up by what hangs.
            #expect(try await fixture.ended(running)["status"] as? String == "succeeded")
            let limit = ExecutionLifecycle.startLimit + .seconds(30)
            try await eventually(within: limit) { try await fixture.stored(stuck).state.isEnd }
            try engine.hangInStart(false)
            let next = try await fixture.submit(fixture.ticket("echo next"))
            #expect(try await fixture.ended(next)["status"] as? String == "succeeded")
            let ended = try await fixture.ended(stuck)
            #expect(ended["reason"] as? String == "engine_error", "\(ended)")
            #expect(try await fixture.log(stuck).isEmpty)
            await node.stop()
        }
    }
}
