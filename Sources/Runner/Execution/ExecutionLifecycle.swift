import Entitlements

/// The life of one execution: what follows from what. Pure: no clock, no Engine, no task.
struct ExecutionLifecycle {
    enum State: Equatable {
        /// The sandbox is being made; no code of the agent's has run. Can transition to: running, ended.
        case preparing
        /// The frame is on its way or there. Can transition to: stopping, finishing, ended.
        case running
        /// The agent has been told to end. Can transition to: killing, finishing, ended.
        case stopping(Cause)
        /// The init has been told to kill every process, once or more. Can transition to: killingByEngine, finishing, ended.
        case killing(Cause, attempt: Int)
        /// The Engine has been told to kill the sandbox. Can transition to: finishing, ended.
        case killingByEngine(Cause)
        /// The trailer is here; the rest of stderr is awaited. Can transition to: ended.
        case finishing(Trailer, Cause?)
        case ended(Ending)
    }

    /// Why we end an execution ourselves.
    enum Cause: Equatable, Sendable {
        case canceled(why: String)
        case wallTimeout
    }

    enum Event {
        /// The init reported, and what it reported is what the policy says.
        case verified
        case mismatched(String)
        case trailer(Trailer)
        /// Both streams have ended, or everything behind the trailer has been read.
        case outputComplete
        /// The streams broke off, or ended without a trailer.
        case connectionLost(String)
        /// The sandbox was killed as a whole, without a trailer, as the Engine says.
        case sandboxKilled(signal: Int, isOutOfMemory: Bool)
        /// An operation on the Engine failed, and the execution cannot go on.
        case failed(Execution.Reason, String)
        case cancel(grace: Duration, why: String)
        case kill(why: String)
        case expired(Timer)
    }

    enum Timer: Hashable, Sendable {
        /// From create to launch.
        case start
        /// The agent's wall clock.
        case wall
        /// From SIGTERM to SIGKILL.
        case grace
        /// For the init to answer after it was told to kill, before it is told again.
        case kill
        /// For the streams to end after the Engine killed the sandbox.
        case engineKill
        /// For what is left of stderr after the trailer.
        case drain
    }

    enum Action: Equatable {
        case launch
        case arm(Timer, Duration)
        case signal(String)
        /// Tell the init that the trailer is safe.
        case acknowledge
        case finish(Ending)
    }

    /// Time for the Engine to make a sandbox and for the init to report.
    static let startLimit: Duration = .seconds(60)
    /// An agent that floods PID 1 with signals can make the kernel merge ours into one of its own: it is sent again.
    static let killAttempts = 5
    static let killInterval: Duration = .milliseconds(400)
    static let engineKillLimit: Duration = .seconds(10)
    static let drainLimit: Duration = .seconds(2)

    private(set) var state = State.preparing
    private let limits: Limits

    init(limits: Limits) { self.limits = limits }

    var status: Execution.Status {
        switch state {
        case .preparing: .starting
        case .running, .finishing: .running
        case .stopping, .killing, .killingByEngine: .stopping
        case .ended(let ending): ending.status
        }
    }

    /// Whether the agent has ended or been told to.
    var isEnding: Bool {
        switch state {
        case .preparing, .running: false
        case .stopping, .killing, .killingByEngine, .finishing, .ended: true
        }
    }

    /// What to do first.
    mutating func begin() -> [Action] { [.arm(.start, Self.startLimit)] }

    /// Goes on with an agent that runs already.
    mutating func resume(remaining: Duration) -> [Action] { move(to: .running, [.arm(.wall, remaining)]) }

    mutating func on(_ event: Event) -> [Action] {
        switch (state, event) {
        case (.ended, _): []

        case (.finishing(let trailer, let cause), .outputComplete),
            (.finishing(let trailer, let cause), .expired(.drain)),
            (.finishing(let trailer, let cause), .connectionLost),
            (.finishing(let trailer, let cause), .sandboxKilled), (.finishing(let trailer, let cause), .failed):
            end(Ending(trailer, cause: cause, limits: limits))

        case (_, .failed(let reason, let message)): end(.failed(reason, message))
        case (.preparing, .mismatched(let message)): end(.failed(.engineError, message))
        case (.preparing, .verified):
            // The clock starts with the frame: an agent that never reads its input must not stop it.
            move(to: .running, [.launch, .arm(.wall, .seconds(limits.timeoutSeconds))])
        case (.preparing, .expired(.start)):
            end(.failed(.engineError, "the Engine did not start the sandbox within \(Self.startLimit)"))
        case (.preparing, .cancel(_, let why)), (.preparing, .kill(let why)): end(.canceledBeforeLaunch(why))

        case (.running, .trailer(let trailer)): finish(trailer, cause: nil)
        case (.stopping(let cause), .trailer(let trailer)), (.killing(let cause, _), .trailer(let trailer)),
            (.killingByEngine(let cause), .trailer(let trailer)):
            finish(trailer, cause: cause)
        case (.running, .cancel(let grace, let why)): stop(.canceled(why: why), grace: grace)
        case (.running, .expired(.wall)): stop(.wallTimeout, grace: .seconds(limits.graceSeconds))
        case (.running, .kill(let why)): kill(.canceled(why: why))
        case (.stopping(let cause), .kill), (.stopping(let cause), .expired(.grace)): kill(cause)
        // A stop can reach the init before its frame has: it leaves then, without a trailer.
        case (.stopping(let cause), .connectionLost), (.killing(let cause, _), .connectionLost):
            end(.stoppedWithoutTrailer(cause, limits: limits))
        case (.killing(let cause, let attempt), .expired(.kill)): kill(cause, attempt: attempt + 1)
        case (.killingByEngine(let cause), .connectionLost): end(.killedByEngine(cause, limits: limits))
        // Nobody has seen it end.
        case (.killingByEngine(let cause), .expired(.engineKill)): end(.unseen(cause, limits: limits))

        case (.stopping(let cause), .sandboxKilled), (.killing(let cause, _), .sandboxKilled):
            end(.stoppedWithoutTrailer(cause, limits: limits))
        case (.killingByEngine(let cause), .sandboxKilled): end(.killedByEngine(cause, limits: limits))
        case (_, .sandboxKilled(let signal, let isOutOfMemory)):
            end(.sandboxKilled(signal: signal, isOutOfMemory: isOutOfMemory, limits: limits))

        case (_, .connectionLost(let message)): end(.failed(.engineError, message))
        default: []
        }
    }

    private mutating func move(to next: State, _ actions: [Action]) -> [Action] {
        state = next
        return actions
    }

    private mutating func stop(_ cause: Cause, grace: Duration) -> [Action] {
        grace > .zero ? move(to: .stopping(cause), [.signal("SIGTERM"), .arm(.grace, grace)]) : kill(cause)
    }

    private mutating func kill(_ cause: Cause, attempt: Int = 1) -> [Action] {
        guard attempt <= Self.killAttempts else {
            return move(
                to: .killingByEngine(cause), [.signal("SIGKILL"), .arm(.engineKill, Self.engineKillLimit)])
        }
        return move(
            to: .killing(cause, attempt: attempt), [.signal("SIGQUIT"), .arm(.kill, Self.killInterval)])
    }

    private mutating func finish(_ trailer: Trailer, cause: Cause?) -> [Action] {
        move(to: .finishing(trailer, cause), [.acknowledge, .arm(.drain, Self.drainLimit)])
    }

    private mutating func end(_ ending: Ending) -> [Action] {
        move(to: .ended(ending), [.finish(ending)])
    }
}
