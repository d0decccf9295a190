import Testing

@testable import Runner

@Suite("How many sandboxes are prepared ahead")
struct PoolPlanTests {
    private let start = ContinuousClock.now
    private let bounds = SandboxPool.Bounds(floor: 0, ceiling: 4)

    private func plan(_ change: (inout SandboxPool.Configuration) -> Void = { _ in }) -> PoolPlan<String> {
        var configuration = SandboxPool.Configuration()
        configuration.halfLife = .seconds(100)
        change(&configuration)
        return PoolPlan(configuration)
    }

    private func launch(
        _ plan: inout PoolPlan<String>, _ kind: String, _ count: Int, _ bounds: SandboxPool.Bounds? = nil,
        memoryMiB: Int = 4, after: Duration = .zero
    ) {
        for _ in 0..<count {
            plan.launched(kind, bounds: bounds ?? self.bounds, memoryMiB: memoryMiB, at: start + after)
        }
    }

    @Test("nobody has asked: none")
    func none() {
        #expect(plan().wanted(at: start).isEmpty)
    }

    @Test("it follows launches, up to the agent's ceiling", arguments: [(1, 1), (3, 3), (4, 4), (50, 4)])
    func follows(launches: Int, wanted: Int) {
        var plan = plan()
        launch(&plan, "a", launches)
        #expect(plan.wanted(at: start) == ["a": wanted])
    }

    @Test("a launch counts half after the half-life, and below a half there is none")
    func decays() {
        var plan = plan()
        launch(&plan, "a", 4)
        #expect(plan.wanted(at: start + .seconds(100)) == ["a": 2])
        #expect(plan.wanted(at: start + .seconds(200)) == ["a": 1])
        #expect(plan.wanted(at: start + .seconds(301)) == [:])
        // What came later counts from then on.
        launch(&plan, "a", 2, after: .seconds(200))
        #expect(plan.wanted(at: start + .seconds(200)) == ["a": 3])
    }

    @Test("a floor holds from the first launch on, however long ago")
    func floor() {
        var plan = plan()
        launch(&plan, "a", 1, .init(floor: 2, ceiling: 4))
        plan.forget(at: start + .seconds(100_000))
        #expect(plan.wanted(at: start + .seconds(100_000)) == ["a": 2])
    }

    @Test("past the ceiling of all, the coldest give way, and each of the warm ones has some")
    func coldest() {
        var plan = plan { $0.ceiling = 5 }
        launch(&plan, "hot", 40)
        launch(&plan, "warm", 15)
        launch(&plan, "cold", 1)
        #expect(plan.wanted(at: start) == ["hot": 4, "warm": 1])
    }

    @Test("a floor goes before another's demand")
    func floorFirst() {
        var plan = plan { $0.ceiling = 4 }
        launch(&plan, "hot", 40)
        launch(&plan, "cold", 1, .init(floor: 2, ceiling: 2))
        #expect(plan.wanted(at: start) == ["hot": 2, "cold": 2])
    }

    @Test("past the ceiling in memory, what still fits is prepared")
    func memory() {
        var plan = plan { $0.memoryMiB = 70 }
        launch(&plan, "gvisor", 40, memoryMiB: 64)
        launch(&plan, "runc", 4)
        #expect(plan.wanted(at: start) == ["gvisor": 1, "runc": 1])
    }

    @Test("what is dropped is not prepared, until it is asked for again")
    func drops() {
        var plan = plan()
        launch(&plan, "a", 2)
        plan.drop("a")
        #expect(plan.wanted(at: start).isEmpty)
        launch(&plan, "a", 1)
        #expect(plan.wanted(at: start) == ["a": 1])
    }
}
