import Entitlements
import Testing

@testable import Runner

@Suite("The life of an execution")
struct LifecycleTests {
    private static let trailer = Trailer(end: .exit(0))
    private let limits: Limits

    init() throws {
        var request = LimitsRequest()
        request.timeoutSeconds = 60
        request.graceSeconds = 10
        limits = try request.resolved()
    }

    private func lifecycle(after events: [ExecutionLifecycle.Event]) -> ExecutionLifecycle {
        var lifecycle = ExecutionLifecycle(limits: limits)
        _ = lifecycle.begin()
        for event in events { _ = lifecycle.on(event) }
        return lifecycle
    }

    private func ending(after events: [ExecutionLifecycle.Event]) throws -> Ending {
        guard case .ended(let ending) = lifecycle(after: events).state else {
            throw Incomplete(state: lifecycle(after: events).state)
        }
        return ending
    }

    private struct Incomplete: Error {
        let state: ExecutionLifecycle.State
    }

    @Test("begins with a deadline for the start")
    func begin() {
        var lifecycle = ExecutionLifecycle(limits: limits)
        #expect(lifecycle.begin() == [.arm(.start, ExecutionLifecycle.startLimit)])
        #expect(lifecycle.status == .starting)
    }

    @Test("a verified sandbox is launched, and the wall clock starts")
    func launch() {
        var lifecycle = lifecycle(after: [])
        #expect(lifecycle.on(.verified) == [.launch, .arm(.wall, .seconds(60.0))])
        #expect(lifecycle.status == .running)
    }

    @Test("the start's deadline counts only until the launch")
    func startDeadline() throws {
        #expect(try ending(after: [.expired(.start)]).reason == .engineError)
        #expect(lifecycle(after: [.verified, .expired(.start)]).status == .running)
    }

    @Test("a mismatch ends it before the agent runs")
    func mismatch() throws {
        let ending = try ending(after: [.mismatched("Uid is 0")])
        #expect(ending.status == .failed)
        #expect(ending.reason == .engineError)
        #expect(ending.message.contains("Uid is 0"))
    }

    @Test("canceling before the launch ends it at once")
    func cancelEarly() throws {
        for event in [ExecutionLifecycle.Event.cancel(grace: .seconds(5), why: "w"), .kill(why: "w")] {
            let ending = try ending(after: [event])
            #expect(ending.status == .canceled)
            #expect(ending.exitCode == nil)
        }
    }

    @Test("a trailer is acknowledged, and the rest of stderr awaited")
    func trailer() {
        var lifecycle = lifecycle(after: [.verified])
        #expect(
            lifecycle.on(.trailer(Self.trailer)) == [.acknowledge, .arm(.drain, ExecutionLifecycle.drainLimit)])
        #expect(lifecycle.status == .running)
    }

    @Test(
        "once the trailer is here, whatever comes next ends it as the trailer says",
        arguments: [
            ExecutionLifecycle.Event.outputComplete, .expired(.drain), .connectionLost("gone"),
            .failed(.engineError, "start answered late"), .sandboxKilled(signal: 9, isOutOfMemory: false),
        ])
    func afterTrailer(event: ExecutionLifecycle.Event) throws {
        #expect(try ending(after: [.verified, .trailer(Self.trailer), event]).status == .succeeded)
    }

    @Test("the wall timeout sends SIGTERM, then tells the init to kill, more than once, then kills by the Engine")
    func timeoutEscalates() throws {
        var lifecycle = lifecycle(after: [.verified])
        #expect(lifecycle.on(.expired(.wall)) == [.signal("SIGTERM"), .arm(.grace, .seconds(10.0))])
        #expect(lifecycle.status == .stopping)
        #expect(
            lifecycle.on(.expired(.grace)) == [.signal("SIGQUIT"), .arm(.kill, ExecutionLifecycle.killInterval)])
        for _ in 1..<ExecutionLifecycle.killAttempts {
            #expect(lifecycle.on(.expired(.kill)).first == .signal("SIGQUIT"))
        }
        #expect(
            lifecycle.on(.expired(.kill)) == [
                .signal("SIGKILL"), .arm(.engineKill, ExecutionLifecycle.engineKillLimit),
            ])
        guard case .finish(let ending) = lifecycle.on(.connectionLost("gone")).first else {
            Issue.record("not ended")
            return
        }
        #expect(ending.status == .timedOut)
        #expect(ending.reason == .wallTimeout)
        #expect(ending.exitCode == 137)
    }

    @Test("even an Engine that does not kill cannot hold up the ending")
    func engineHangs() throws {
        let attempts = Array(repeating: ExecutionLifecycle.Event.expired(.kill), count: ExecutionLifecycle.killAttempts)
        let ending = try ending(after: [.verified, .kill(why: "w")] + attempts + [.expired(.engineKill)])
        #expect(ending.status == .canceled)
        // Nobody has seen it.
        #expect(ending.exitCode == nil && ending.signal == nil)
    }

    @Test("a second cancel kills, and the cause stays the first")
    func cancelTwice() throws {
        var lifecycle = lifecycle(after: [.verified, .cancel(grace: .seconds(5), why: "first")])
        #expect(
            lifecycle.on(.kill(why: "second")) == [.signal("SIGQUIT"), .arm(.kill, ExecutionLifecycle.killInterval)])
        _ = lifecycle.on(.trailer(Trailer(end: .signal(9), stop: .kill)))
        guard case .finish(let ending) = lifecycle.on(.outputComplete).first else {
            Issue.record("not ended")
            return
        }
        #expect(ending.reason == .canceled)
        #expect(ending.message == "first")
    }

    @Test("a grace of zero kills at once")
    func noGrace() {
        var lifecycle = lifecycle(after: [.verified])
        #expect(lifecycle.on(.cancel(grace: .zero, why: "w")).first == .signal("SIGQUIT"))
    }

    @Test("an agent that had ended by itself before the stop keeps its own ending")
    func race() throws {
        let trailer = Trailer(end: .exit(3), stop: .none)
        let ending = try ending(after: [.verified, .expired(.wall), .trailer(trailer), .outputComplete])
        #expect(ending.status == .failed)
        #expect(ending.reason == .exit)
        #expect(ending.exitCode == 3)
    }

    @Test("a connection that breaks off without a trailer is the Engine's failure")
    func lost() throws {
        let ending = try ending(after: [.verified, .connectionLost("the stream broke")])
        #expect(ending.reason == .engineError)
        #expect(ending.message == "the stream broke")
    }

    @Test("a stop that reaches the init before its frame is a cancel, not a failure")
    func stopBeforeFrame() throws {
        for stop in [ExecutionLifecycle.Event.cancel(grace: .seconds(1), why: "w"), .kill(why: "w")] {
            let ending = try ending(after: [.verified, stop, .connectionLost("the sandbox ended")])
            #expect(ending.status == .canceled)
            #expect(ending.exitCode == nil)
        }
    }

    @Test("a sandbox that is killed as a whole is told by what the Engine saw")
    func sandboxKilled() throws {
        let killed = try ending(after: [.verified, .sandboxKilled(signal: 9, isOutOfMemory: false)])
        #expect(killed.reason == .signal)
        #expect(killed.signal == "SIGKILL")
        #expect(killed.message.contains("not by Paddock"))
        let memory = try ending(after: [.verified, .sandboxKilled(signal: 9, isOutOfMemory: true)])
        #expect(memory.reason == .memoryLimit)
        let stopped = try ending(after: [
            .verified, .kill(why: "w"), .sandboxKilled(signal: 9, isOutOfMemory: false),
        ])
        #expect(stopped.status == .canceled)
    }

    @Test("after the end, nothing follows from anything")
    func ended() {
        var lifecycle = lifecycle(after: [.mismatched("x")])
        let events: [ExecutionLifecycle.Event] = [
            .verified, .trailer(Self.trailer), .outputComplete, .connectionLost(""), .failed(.engineError, ""),
            .cancel(grace: .zero, why: ""), .kill(why: ""), .expired(.wall),
        ]
        for event in events { #expect(lifecycle.on(event).isEmpty) }
    }

    @Test("timers that have lost their meaning do nothing")
    func staleTimers() {
        let timers: [ExecutionLifecycle.Timer] = [.grace, .kill, .engineKill, .drain]
        for timer in timers {
            var lifecycle = lifecycle(after: [.verified])
            #expect(lifecycle.on(.expired(timer)).isEmpty)
            #expect(lifecycle.status == .running)
        }
    }
}
