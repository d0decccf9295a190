import DatabaseFixtures
import DockerAPI
import Entitlements
import Testing

@testable import Runner

@Suite("A pool of prepared sandboxes", .serialized, .timeLimit(.minutes(5)))
struct PoolTests {
    @Test("each is used once, and then removed")
    func once() async throws {
        try await PoolFixture.with { fixture in
            let request = try await fixture.request("cat /etc/hostname; touch /tmp/mark; ls /tmp")
            try await fixture.pool.prepare(2, for: request)
            #expect(fixture.pool.snapshot().size == 2)
            for left in [1, 0] {
                #expect(try await fixture.run(request).log == "sandbox\nmark\n")
                #expect(try await fixture.containers().count == left)
            }
            // The third has its own.
            #expect(try await fixture.run(request).log == "sandbox\nmark\n")
            let counts = fixture.pool.snapshot()
            #expect((counts.hits, counts.misses, counts.prepared, counts.size) == (2, 1, 2, 0))
            #expect(counts.preparationTime > .zero)
            #expect(counts.wasted.values.allSatisfy { $0 == 0 })
        }
    }

    @Test("one launch is enough for the next one to be warm")
    func follows() async throws {
        try await PoolFixture.with { fixture in
            try await fixture.running {
                let request = try await fixture.request("echo hi")
                let cold = try await fixture.run(request).finished
                #expect(cold.trace.marks.contains { $0.stage == .created })
                try await eventually { fixture.pool.snapshot().size == 1 }
                let (log, warm) = try await fixture.run(request)
                #expect(log == "hi\n")
                #expect(fixture.pool.snapshot().hits == 1)
                #expect(!warm.trace.marks.contains { $0.stage == .created })
                #expect(warm.execution.runtime == cold.execution.runtime)
                #expect(warm.policy?.held["CapEff"] == "0000000000000000")
                try await eventually { fixture.pool.snapshot().size == 2 }
            }
            // The Engine may still be at it.
            try await eventually { try await fixture.containers().isEmpty }
            #expect(fixture.pool.snapshot().wasted[.stop] == 2)
        }
    }

    @Test("agents of another image, other files or another filter get none of them")
    func kinds() async throws {
        try await PoolFixture.with { fixture in
            let request = try await fixture.request("true")
            try await fixture.pool.prepare(1, for: request)
            try await fixture.run(fixture.request("true", image: "paddock/python:3"))
            try await fixture.run(fixture.request("true") { $0.tmpMiB = 8 })
            try await fixture.run(fixture.request("true") { $0.openFiles = 64 })
            var filtered = request
            filtered.seccomp = SeccompRequest(allow: SeccompPolicy.standard.allowedCalls.subtracting(["sync"]).sorted())
            try await fixture.run(filtered)
            #expect(fixture.pool.snapshot().hits == 0)
            try await fixture.run(request)
            #expect(fixture.pool.snapshot().hits == 1)
        }
    }

    @Test("other limits of memory, CPUs and processes are set on the one that waits, and hold")
    func limits() async throws {
        try await PoolFixture.with { fixture in
            try await fixture.pool.prepare(2, for: fixture.request("true"))
            for (memory, pids) in [(1024, 256), (256, 16)] {
                let request = try await fixture.request(
                    "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max 2>/dev/null || true"
                ) {
                    $0.memoryMiB = memory
                    $0.cpus = 0.25
                    $0.pids = pids
                    $0.tmpMiB = 64
                }
                let (_, finished) = try await fixture.run(request)
                let held = try #require(finished.policy?.held)
                #expect(held["memory.limit_in_bytes"] ?? held["memory.max"] == "\(memory << 20)")
                #expect(held["pids.max"] == "\(pids + 1)")
                #expect(finished.policy?.asked["cpus"] == "0.25")
                #expect(finished.execution.limits.memoryMiB == memory)
            }
            #expect(fixture.pool.snapshot().hits == 2)
        }
    }

    @Test("of several, those with the limits that are asked for go first")
    func sameLimits() async throws {
        try await PoolFixture.with { fixture in
            let small = try await fixture.request("true") { ($0.memoryMiB, $0.tmpMiB) = (256, 64) }
            try await fixture.pool.prepare(1, for: fixture.request("true"))
            try await fixture.pool.prepare(1, for: small)
            let kind = try await SandboxKind(small, host: fixture.host, keepsLog: false)
            let taken = try #require(fixture.pool.take(kind, small.limits, agentID: "agt_local"))
            #expect(taken.policy.limits.memoryMiB == 256)
            fixture.pool.refuse(taken, because: CancellationError())
        }
    }

    @Test("nothing is begun to be prepared while an execution starts, and never more at once than is set")
    func givesWay() async throws {
        try await PoolFixture.with({ $0.parallel = 2 }) { fixture in
            let request = try await fixture.request("true")
            let kind = try await SandboxKind(request, host: fixture.host, keepsLog: false)
            for _ in 0..<4 { _ = fixture.pool.take(kind, request.limits, agentID: "agt_local") }
            var start: SandboxPool.Start? = fixture.pool.beginStart()
            #expect(fixture.pool.nextStep(at: .now).orders.isEmpty)
            withExtendedLifetime(start) {}
            start = nil
            #expect(fixture.pool.nextStep(at: .now).orders.count == 2)
            #expect(fixture.pool.nextStep(at: .now).orders.isEmpty)
        }
    }

    @Test("one that is too old is not used, and is replaced")
    func age() async throws {
        try await PoolFixture.with({ $0.age = .seconds(1000) }) { fixture in
            let request = try await fixture.request("true")
            let kind = try await SandboxKind(request, host: fixture.host, keepsLog: false)
            try await fixture.pool.prepare(1, for: request)
            try await fixture.run(request)
            try await fixture.pool.prepare(1, for: request)
            let step = fixture.pool.nextStep(at: .now + .seconds(1001))
            #expect(step.wasted.map(\.1) == [.age])
            for (prepared, _) in step.wasted { fixture.pool.refuse(prepared, because: CancellationError()) }
            #expect(fixture.pool.take(kind, request.limits, agentID: "agt_local") == nil)
        }
    }

    @Test("what nobody wants any more gives way, the oldest first")
    func surplus() async throws {
        try await PoolFixture.with({ $0.age = .seconds(100_000) }) { fixture in
            let request = try await fixture.request("true")
            try await fixture.pool.prepare(3, for: request)
            try await fixture.run(request)
            #expect(fixture.pool.snapshot().size == 2)
            let step = fixture.pool.nextStep(at: .now)
            #expect(step.wasted.map(\.1) == [.surplus])
            let left = try #require(step.wasted.first?.0)
            fixture.pool.refuse(left, because: CancellationError())
            #expect(fixture.pool.snapshot().size == 1)
        }
    }
}
