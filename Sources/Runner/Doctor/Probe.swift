import Entitlements

/// One attempt at escape or overuse, made by the program in `Sources/SandboxProbes` from inside a real sandbox, and its
/// control: the same attempt with a defence off, which shows that the probe can tell.
struct Probe: Sendable {
    /// What the doctor has on the host for probes to reach for.
    enum Argument: Sendable {
        case none
        case word(String)
        /// A TCP port on the host's loopback.
        case hostPort
        /// A UDP port there, with its address; in the control only.
        case hostNameserver
        /// An abstract unix socket.
        case hostSocket
    }

    /// How it is seen whether it was held.
    enum Judgement: Sendable {
        /// By the line that the probe prints.
        case line
        /// By the line, in a sandbox of its own: it sees or takes what is of others.
        case ownLine(LimitsRequest = LimitsRequest())
        /// By how the execution ends: status, reason and note, and in the control with these limits and arguments
        /// instead.
        case ending(Ending, limits: LimitsRequest, control: [String], controlLimits: LimitsRequest)
    }

    struct Ending: Sendable {
        var status: Execution.Status
        var reason: Execution.Reason
        var note: Execution.Note.Code?
    }

    let name: String
    /// Continues “it …”.
    let tries: String
    let defence: Defence
    var argument = Argument.none
    let control: [Relaxation]
    var judgement = Judgement.line
    /// Why it may get through under gVisor, and does no harm there.
    var harmlessUnderGVisor: String?

    init(
        _ name: String, _ tries: String, _ defence: Defence, _ argument: Argument = .none, off control: [Relaxation],
        _ judgement: Judgement = .line, harmlessUnderGVisor: String? = nil
    ) {
        self.name = name
        self.tries = tries
        self.defence = defence
        self.argument = argument
        self.control = control
        self.judgement = judgement
        self.harmlessUnderGVisor = harmlessUnderGVisor
    }
}
