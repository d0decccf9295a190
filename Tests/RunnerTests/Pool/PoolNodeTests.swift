import DatabaseFixtures
import DockerAPI
import Foundation
import Glibc
import Testing

@testable import Runner

@Suite("A node with a pool", .serialized, .timeLimit(.minutes(10)))
struct PoolNodeTests {
    /// Those that wait on the Engine, by their state.
    private func prepared(_ fixture: NodeFixture) async throws -> [String] {
        let state = try fixture.host().folder.id
        return try await fixture.client.listContainers(
            filters: ["label": ["\(RunnerHost.Label.state)=\(state)", RunnerHost.Label.pool]]
        ).map(\.state)
    }

    @Test("killed, leaves what runs to the next one, and nothing of what waits", arguments: Backend.allCases)
    func killed(backend: Backend) async throws {
        try await NodeFixture.with(backend) { fixture in
            let first = try fixture.process(["NODE_POOL": "1"])
            _ = try await fixture.ended(fixture.submit(fixture.ticket("echo cold")))
            try await eventually { try await prepared(fixture) == ["running"] }
            let lines = (1...2000).map { "line \($0)\n" }.joined()
            let id = try await fixture.submit(
                fixture.ticket(
                    "\(NumberedAgent.listens); i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo line $i; "
                        + "[ $i != 1000 ] || \(NumberedAgent.waiting); done; exit 7"))
            try await eventually { try await !fixture.log(id).isEmpty }
            // One is in use, and at least one more waits.
            try await eventually { try await prepared(fixture).count { $0 == "running" } >= 2 }
            await first.kill9()
            // What waited ends by itself.
            try await eventually { try await prepared(fixture).count { $0 == "running" } <= 1 }

            let second = try fixture.process(stopLimit: 30, ["NODE_POOL": "1"])
            try await fixture.letGo(id)
            #expect(try await fixture.ended(id)["exitCode"] as? Int == 7)
            let records = try await fixture.log(id)
            #expect(records.isWhole())
            #expect(String(decoding: records.bytes(), as: UTF8.self) == lines)
            second.signal(SIGTERM)
            await second.end()
            #expect(second.status == 0)
            // The Engine may still be at it.
            try await eventually { try await prepared(fixture).isEmpty }
        }
    }

    @Test("ends what it prepared, and answers a stop at once")
    func stops() async throws {
        try await NodeFixture.with(.sqlite) { fixture in
            try await fixture.withNode({
                $0.pool = SandboxPool.Configuration()
                $0.pool?.verifyLimit = .seconds(60)
            }) { node in
                _ = try await fixture.ended(fixture.submit(fixture.ticket("echo cold")))
                try await eventually { node.pool?.snapshot().size == 1 }
                let ended = try await fixture.ended(fixture.submit(fixture.ticket("echo '{\"a\": 1}' > $OUTPUT")))
                #expect(ended["output"] as? [String: Int] == ["a": 1])
                #expect(node.pool?.snapshot().hits == 1)
            }
            try await eventually { try await prepared(fixture).isEmpty }
        }
    }
}
