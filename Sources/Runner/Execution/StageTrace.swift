import NIOConcurrencyHelpers

/// When an execution had come how far.
public final class StageTrace: Sendable {
    /// In the order in which they come, but for the Engine's answer to start, which the report may overtake.
    public enum Stage: String, Sendable, CaseIterable {
        /// A prepared sandbox was taken.
        case taken
        /// It still holds its policy.
        case checked
        /// User id, files and policy are there.
        case settled
        case created
        case attached
        /// The Engine has answered.
        case started
        case reported
        case verified
        /// Where it must be found again is written down.
        case recorded
        /// The frame and the input are with the Engine.
        case launched
        /// The agent's first byte is here.
        case firstByte = "first byte"
        /// The agent has ended.
        case trailer
        /// All of its log has been read.
        case drained
        /// Log, ending and usage are written down.
        case accounted
        /// The init has exited.
        case exited
        case removed
    }

    public struct Mark: Sendable, Equatable {
        public let stage: Stage
        /// From the beginning.
        public let at: Duration
    }

    public let begun = ContinuousClock.now
    private let box = NIOLockedValueBox<[Mark]>([])

    private let onMark: @Sendable (Stage) -> Void

    /// - Parameter onMark: called for each stage, once, before what follows it.
    init(onMark: @escaping @Sendable (Stage) -> Void = { _ in }) { self.onMark = onMark }

    /// The first time counts.
    func mark(_ stage: Stage) {
        let at = begun.duration(to: .now)
        let isNew = box.withLockedValue { marks in
            guard !marks.contains(where: { $0.stage == stage }) else { return false }
            marks.append(Mark(stage: stage, at: at))
            return true
        }
        if isNew { onMark(stage) }
    }

    /// In the order in which they came.
    public var marks: [Mark] { box.withLockedValue { $0 } }
}

extension StageTrace.Stage {
    /// What a keeper is told of it.
    var step: ExecutionStep? {
        switch self {
        case .created: .created
        case .started: .started
        case .launched: .frameSent
        case .trailer: .trailerSeen
        case .exited: .exited
        case .removed: .removed
        default: nil
        }
    }
}
