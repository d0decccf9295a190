import DatabaseFixtures
import DockerAPI
import EngineFixtures
import Foundation
import Glibc
import Storage
import Testing

@testable import Runner

/// A pool whose Engine, a private one, restarts under it: with `live-restore` what was prepared lives on, but nothing
/// tells it any more that its runner has gone.
@Suite("A pool and its Engine", .serialized)
struct PoolEngineTests {
    private static let liveRestore = ["--live-restore"]

    /// Those that were prepared ahead and wait or run on the Engine, by their id.
    private func prepared(_ fixture: NodeFixture) async throws -> Set<String> {
        let state = try fixture.host().folder.id
        let all = try await fixture.client.listContainers(
            filters: ["label": ["\(RunnerHost.Label.state)=\(state)", RunnerHost.Label.pool]])
        return Set(all.filter { $0.state == "running" }.map(\.id))
    }

    @Test(
        "discards what it had prepared when the Engine restarts, and prepares anew", .timeLimit(.minutes(5)),
        arguments: [SIGKILL, SIGTERM])
    func restart(signal: Int32) async throws {
        try await PrivateEngine.with(Self.liveRestore) { engine in
            try await Backend.sqlite.withURL { url in
                try await NodeFixture.with(url: url, engine: engine.host) { fixture in
                    let node = try fixture.process(stopLimit: 30, ["NODE_POOL": "1"])
                    _ = try await fixture.ended(fixture.submit(fixture.ticket("echo cold")))
                    try await eventually { try await !prepared(fixture).isEmpty }
                    let before = try await prepared(fixture)
                    if signal == SIGKILL { try await engine.kill() } else { try await engine.stop() }
                    try await engine.start(Self.liveRestore)

                    try await eventually {
                        let now = try await prepared(fixture)
                        return !now.isEmpty && now.isDisjoint(with: before)
                    }
                    let id = try await fixture.submit(fixture.ticket("echo after; sleep 1"))
                    let ended = try await fixture.ended(id)
                    #expect(ended["status"] as? String == "succeeded", "\(ended)")
                    #expect(try await !before.contains(fixture.container(of: id)))
                    await node.stop()
                }
            }
        }
    }
}
