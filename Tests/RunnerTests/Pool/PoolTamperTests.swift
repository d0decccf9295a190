import DatabaseFixtures
import DockerAPI
import Testing

@testable import Runner

/// What somebody with the Engine's rights does to a sandbox that waits is caught, or does no harm.
@Suite("A prepared sandbox that was changed", .serialized, .timeLimit(.minutes(5)))
struct PoolTamperTests {
    enum Change: CaseIterable {
        case memory, cpus, pids, intruder, paused
    }

    @Test("is not used: the execution gets a new one", arguments: Change.allCases)
    func refused(change: Change) async throws {
        try await PoolFixture.with({ if change == .paused { $0.verifyLimit = .seconds(1) } }) { fixture in
            let request = try await fixture.request("echo hi")
            try await fixture.pool.prepare(1, for: request)
            let id = try await fixture.waiting().id
            var update = ContainerUpdate()
            switch change {
            case .memory: (update.memory, update.memorySwap) = (1 << 30, 1 << 30)
            case .cpus: update.nanoCpus = 2_000_000_000
            case .pids: update.pidsLimit = 4096
            case .intruder:
                #expect(try await fixture.docker("exec", "--detach", "--user", "0", id, "sleep", "600") == 0)
            case .paused:
                // The kernel of a busy machine does not always freeze a cgroup in the time that runc gives it.
                try await eventually {
                    _ = try await fixture.docker("pause", id)
                    return try await fixture.client.inspectContainer(id).state.status == "paused"
                }
            }
            if change != .intruder, change != .paused { try await fixture.client.updateContainer(id, update) }
            let (log, finished) = try await fixture.run(request)
            #expect(log == "hi\n")
            #expect(finished.trace.marks.contains { $0.stage == .created })
            let counts = fixture.pool.snapshot()
            #expect((counts.hits, counts.misses, counts.wasted[.refused]) == (0, 1, 1))
        }
    }

    @Test("that has ended is not taken")
    func ended() async throws {
        try await PoolFixture.with { fixture in
            let request = try await fixture.request("echo hi")
            try await fixture.pool.prepare(1, for: request)
            try await fixture.client.killContainer(fixture.waiting().id, signal: "SIGKILL")
            // As far as is known: the end of its connection has to come here.
            try await eventually { fixture.pool.nextStep(at: .now).wasted.map(\.1) == [.ended] }
            #expect(try await fixture.run(request).log == "hi\n")
            let counts = fixture.pool.snapshot()
            #expect((counts.hits, counts.misses) == (0, 1))
            for container in try await fixture.containers() { await fixture.host.removeContainer(container.id) }
        }
    }

    @Test("an image's name that means another image now leads to that one")
    func tag() async throws {
        try await PoolFixture.with { fixture in
            let name = "paddock-pool-\(fixture.host.runnerID)"
            try await fixture.client.tagImage("paddock/busybox:1", repository: name, tag: "1")
            let script = "command -v python3 || echo none"
            let before = try await fixture.request(script, image: name + ":1")
            try await fixture.pool.prepare(1, for: before)
            try await fixture.client.tagImage("paddock/python:3", repository: name, tag: "1")
            let after = try await fixture.request(script, image: name + ":1")
            let log = try await fixture.run(after).log
            _ = try await fixture.client.removeImage(name + ":1")
            #expect(log.contains("python3"))
            #expect(fixture.pool.snapshot().hits == 0)
            #expect(try await fixture.run(before).log == "none\n")
            #expect(fixture.pool.snapshot().hits == 1)
        }
    }

    @Test("holds the same fence as a new one: the doctor's probes")
    func fence() async throws {
        try await PoolFixture.with { fixture in
            try await ProbeImage.with(fixture.host) { image in
                try await OtherSandbox.with(host: fixture.host, image: image) { other in
                    let surroundings = DoctorSurroundings(
                        otherContainer: other, engineSocket: "/var/run/docker.sock", listeners: try HostListeners())
                    let probes = Doctor.probes.filter { if case .line = $0.judgement { true } else { false } }
                    var fence = FenceRun(
                        host: fixture.host, image: image, surroundings: surroundings, runtime: .engineDefault)
                    let cold = try await fence.attempts(probes)
                    fence.pool = fixture.pool
                    try await fixture.pool.prepare(1, for: fence.request(probes))
                    let warm = try await fence.attempts(probes)
                    #expect(fixture.pool.snapshot().hits == 1)
                    #expect(warm.count == probes.count)
                    for probe in probes {
                        #expect(warm[probe.name]?.outcome == cold[probe.name]?.outcome, "\(probe.name)")
                    }
                    #expect(warm.values.filter { $0.outcome == .held }.count > probes.count * 9 / 10)
                }
            }
        }
    }
}
