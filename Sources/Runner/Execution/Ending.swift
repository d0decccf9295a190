import Entitlements

/// How an execution ended, from the kernel's counters and our own timers; never a guess at an exit code.
struct Ending: Sendable, Equatable {
    var status: Execution.Status
    var reason: Execution.Reason
    var exitCode: Int?
    var signal: String?
    var message: String
    var notes: [Execution.Note] = []
    /// nil when no trailer came.
    var trailer: Trailer?

    static func failed(_ reason: Execution.Reason, _ message: String) -> Ending {
        Ending(status: reason == .runnerLost ? .lost : .failed, reason: reason, message: message)
    }

    static func canceledBeforeLaunch(_ why: String) -> Ending {
        Ending(status: .canceled, reason: .canceled, message: "\(why), before the agent was started")
    }

    /// The sandbox was told to stop and ended without saying how.
    static func stoppedWithoutTrailer(_ cause: ExecutionLifecycle.Cause, limits: Limits) -> Ending {
        var ending = Ending(status: .canceled, reason: .canceled, message: "")
        ending.apply(cause, limits: limits)
        return ending
    }

    /// The sandbox was killed as a whole and nobody here told it to: the init is gone with the agent. Somebody used the
    /// Engine, or under gVisor it was the agent.
    static func sandboxKilled(signal number: Int, isOutOfMemory: Bool, limits: Limits) -> Ending {
        let signal = Signals.name(number)
        let message =
            isOutOfMemory
            ? "killed at its memory limit of \(limits.memoryMiB) MiB, with its whole sandbox"
            : "its whole sandbox was ended by \(signal), and not by Paddock"
        return Ending(
            status: .failed, reason: isOutOfMemory ? .memoryLimit : .signal, exitCode: 128 + number, signal: signal,
            message: message)
    }

    /// The init did not answer, so the Engine killed the whole sandbox.
    static func killedByEngine(_ cause: ExecutionLifecycle.Cause, limits: Limits) -> Ending {
        var ending = stoppedWithoutTrailer(cause, limits: limits)
        ending.exitCode = 137
        ending.signal = "SIGKILL"
        return ending
    }

    /// The Engine did not say whether it killed the sandbox.
    static func unseen(_ cause: ExecutionLifecycle.Cause, limits: Limits) -> Ending {
        var ending = stoppedWithoutTrailer(cause, limits: limits)
        ending.message += "; the Engine did not tell how it ended"
        return ending
    }

    /// - Parameter cause: why we told it to end; it counts only if the agent had not ended before.
    init(_ trailer: Trailer, cause: ExecutionLifecycle.Cause?, limits: Limits) {
        self.init(status: .failed, reason: .exit, message: "")
        self.trailer = trailer
        switch trailer.end {
        case .exit(let code): exitCode = code
        case .signal(let number):
            exitCode = 128 + number
            signal = Signals.name(number)
        case .startError: break
        }
        switch trailer.stop {
        case .none: endedByItself(trailer, limits: limits)
        case .term, .kill:
            // Without a stop of ours it was somebody with the Engine's rights, or an agent that found a way to send
            // such a signal: believed is only how it ended.
            if let cause { apply(cause, limits: limits) } else { endedByItself(trailer, limits: limits) }
        case .deadline: apply(.wallTimeout, limits: limits)
        case .cpu:
            status = .timedOut
            reason = .cpuTimeout
            message = "used up its CPU time of \((limits.cpuSeconds ?? 0).plain) s"
        case .hangup:
            status = .lost
            reason = .runnerLost
            message = "the runner went away while the agent ran"
        case .input:
            reason = .engineError
            message = "the input broke off on its way to the agent"
        case .error:
            reason = .engineError
            message = "the sandbox's init met an error of its own and ended the agent"
        }
        addNotes(trailer, limits: limits)
    }

    private init(
        status: Execution.Status, reason: Execution.Reason, exitCode: Int? = nil, signal: String? = nil, message: String
    ) {
        self.status = status
        self.reason = reason
        self.exitCode = exitCode
        self.signal = signal
        self.message = message
    }

    private mutating func apply(_ cause: ExecutionLifecycle.Cause, limits: Limits) {
        switch cause {
        case .canceled(let why):
            status = .canceled
            reason = .canceled
            message = why
        case .wallTimeout:
            status = .timedOut
            reason = .wallTimeout
            message = "still running at its timeout of \(limits.timeoutSeconds.plain) s"
        }
    }

    private mutating func endedByItself(_ trailer: Trailer, limits: Limits) {
        switch trailer.end {
        case .exit(0): judgeOutput(trailer.output, limits: limits)
        case .exit(let code):
            reason = .exit
            message = "exited with code \(code)"
        case .signal(let number):
            if number == 9, trailer.oomKills > 0 {
                killedForMemory(trailer, limits: limits)
            } else {
                reason = .signal
                message = "ended by \(Signals.name(number))"
            }
        case .startError(let stage, let number):
            reason = .imageError
            message = Self.startFailure(stage, number)
        }
    }

    /// A kill at the sandbox's own limit comes when its peak is there. Below, the cgroup above all sandboxes or the host
    /// itself had nothing left, which is no fault of the agent's.
    private mutating func killedForMemory(_ trailer: Trailer, limits: Limits) {
        let isOwnLimit = trailer.memoryPeak == 0 || trailer.memoryPeak >= Int64(limits.memoryMiB) << 20 / 10 * 9
        reason = isOwnLimit ? .memoryLimit : .engineError
        message =
            isOwnLimit
            ? "killed at its memory limit of \(limits.memoryMiB) MiB"
            : "killed by the kernel at \(trailer.memoryPeak >> 20) MiB, below its own memory limit of "
                + "\(limits.memoryMiB) MiB: the sandboxes together, or the host, ran out of memory"
    }

    private mutating func judgeOutput(_ output: Trailer.Output, limits: Limits) {
        switch output {
        case .absent, .bytes:
            status = .succeeded
            reason = .exit
            message = "exited with code 0"
        case .tooLarge:
            reason = .outputLimit
            message = "its output is larger than \(limits.outputKiB) KiB"
        case .notRegular:
            reason = .outputInvalid
            message = "its output is not a regular file"
        case .unreadable(let number):
            reason = .outputInvalid
            message = "its output could not be read: \(Errno.message(number))"
        }
    }

    private static func startFailure(_ stage: String, _ number: Int32) -> String {
        let error = Errno.message(number)
        switch stage {
        case "exec":
            return "the image's command cannot be run: \(error). Check its entrypoint, its execute permission "
                + "for every user, and that it is built for this machine"
        case "chdir":
            return "the image's working directory cannot be entered by a non-root user: \(error)"
        case "secret": return "a secret could not be written: \(error)"
        default: return "the agent could not be started (\(stage)): \(error)"
        }
    }

    private mutating func addNotes(_ trailer: Trailer, limits: Limits) {
        if trailer.oomKills > 0, reason != .memoryLimit {
            notes.append(
                .init(
                    code: .childOOM,
                    message:
                        "\(trailer.oomKills) of its processes killed at the memory limit of \(limits.memoryMiB) MiB"))
        }
        if trailer.refusedForks > 0 {
            notes.append(
                .init(
                    code: .pidsLimit,
                    message: "refused \(trailer.refusedForks) more processes at the limit of \(limits.pids)"))
        }
        // Less than a page free, or no inode.
        if trailer.tmpFreeBytes.map({ $0 < 4096 }) ?? false || trailer.tmpFreeInodes == 0 {
            notes.append(
                .init(code: .tmpFull, message: "/tmp (\(limits.tmpMiB) MiB, \(limits.tmpInodes) files) was full"))
        }
    }
}

extension Double {
    /// Without a fraction where there is none.
    var plain: String { self == rounded() && magnitude < 1e15 ? String(Int64(self)) : String(self) }
}
