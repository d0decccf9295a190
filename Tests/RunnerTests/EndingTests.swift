import Entitlements
import Testing

@testable import Runner

@Suite("Endings tell the truth")
struct EndingTests {
    private let limits: Limits

    init() throws { limits = try LimitsRequest().resolved() }

    @Test(
        "by itself",
        arguments: [
            (Trailer.End.exit(0), Execution.Status.succeeded, Execution.Reason.exit, 0),
            (.exit(3), .failed, .exit, 3),
            // A shell that reports a killed child is not killed itself.
            (.exit(137), .failed, .exit, 137),
            (.signal(11), .failed, .signal, 139),
            (.signal(9), .failed, .signal, 137),
        ])
    func byItself(end: Trailer.End, status: Execution.Status, reason: Execution.Reason, code: Int) {
        let ending = Ending(Trailer(end: end), cause: nil, limits: limits)
        #expect(ending.status == status)
        #expect(ending.reason == reason)
        #expect(ending.exitCode == code)
    }

    @Test("SIGKILL with the kernel's count of OOM kills is the memory limit")
    func memory() {
        var trailer = Trailer(end: .signal(9))
        trailer.oomKills = 1
        let ending = Ending(trailer, cause: nil, limits: limits)
        #expect(ending.reason == .memoryLimit)
        #expect(ending.signal == "SIGKILL")
        #expect(ending.notes.isEmpty)
    }

    @Test(
        "an OOM kill far below the sandbox's own limit is the host's",
        arguments: [(512, .memoryLimit), (511, .memoryLimit), (300, .engineError)] as [(Int64, Execution.Reason)])
    func hostMemory(peakMiB: Int64, reason: Execution.Reason) {
        var trailer = Trailer(end: .signal(9))
        trailer.oomKills = 1
        trailer.memoryPeak = peakMiB << 20
        #expect(Ending(trailer, cause: nil, limits: limits).reason == reason)
    }

    @Test("a killed child is a note, and the agent's own ending stands")
    func childOOM() {
        var trailer = Trailer(end: .exit(0))
        trailer.oomKills = 2
        let ending = Ending(trailer, cause: nil, limits: limits)
        #expect(ending.status == .succeeded)
        #expect(ending.notes.map(\.code) == [.childOOM])
    }

    @Test("limits that were hit on the way are notes")
    func notes() {
        var trailer = Trailer(end: .exit(1))
        trailer.refusedForks = 5
        trailer.tmpFreeBytes = 0
        trailer.tmpFreeInodes = 10
        #expect(Ending(trailer, cause: nil, limits: limits).notes.map(\.code) == [.pidsLimit, .tmpFull])
        trailer.tmpFreeBytes = 1 << 20
        trailer.tmpFreeInodes = 0
        #expect(Ending(trailer, cause: nil, limits: limits).notes.map(\.code) == [.pidsLimit, .tmpFull])
    }

    @Test("what a kernel does not count is not taken for full")
    func unknownInodes() {
        var trailer = Trailer(end: .exit(0))
        trailer.tmpFreeBytes = 1 << 20
        #expect(Ending(trailer, cause: nil, limits: limits).notes.isEmpty)
    }

    @Test(
        "ended by us or by the init",
        arguments: [
            (
                Trailer.Stop.term, ExecutionLifecycle.Cause.wallTimeout, Execution.Status.timedOut,
                Execution.Reason.wallTimeout
            ),
            (.kill, .canceled(why: "c"), .canceled, .canceled),
            (.deadline, nil, .timedOut, .wallTimeout),
            (.cpu, nil, .timedOut, .cpuTimeout),
            (.hangup, nil, .lost, .runnerLost),
            (.input, nil, .failed, .engineError),
            (.error, nil, .failed, .engineError),
            // Somebody used the Engine directly.
            (.term, nil, .failed, .signal),
        ] as [(Trailer.Stop, ExecutionLifecycle.Cause?, Execution.Status, Execution.Reason)])
    func stopped(
        stop: Trailer.Stop, cause: ExecutionLifecycle.Cause?, status: Execution.Status, reason: Execution.Reason
    ) {
        let ending = Ending(Trailer(end: .signal(15), stop: stop), cause: cause, limits: limits)
        #expect(ending.status == status)
        #expect(ending.reason == reason)
    }

    @Test("an agent that cleans up and exits 0 after our SIGTERM is canceled all the same")
    func canceledWithCleanExit() {
        let trailer = Trailer(end: .exit(0), stop: .term)
        let ending = Ending(trailer, cause: .canceled(why: "c"), limits: limits)
        #expect(ending.status == .canceled)
        #expect(ending.exitCode == 0)
    }

    @Test(
        "an output that is none fails the execution",
        arguments: [
            (Trailer.Output.tooLarge, Execution.Reason.outputLimit),
            (.notRegular, .outputInvalid),
            (.unreadable(errno: 13), .outputInvalid),
        ])
    func output(output: Trailer.Output, reason: Execution.Reason) {
        var trailer = Trailer(end: .exit(0))
        trailer.output = output
        let ending = Ending(trailer, cause: nil, limits: limits)
        #expect(ending.status == .failed)
        #expect(ending.reason == reason)
    }

    @Test("what could not be started is the image's error, with words")
    func startError() {
        let ending = Ending(Trailer(end: .startError(stage: "exec", errno: 2)), cause: nil, limits: limits)
        #expect(ending.reason == .imageError)
        #expect(ending.exitCode == nil)
        #expect(ending.message.contains("No such file"))
    }
}
