import Foundation

extension SandboxPool {
    /// How many sandboxes of one agent wait.
    public struct Bounds: Sendable, Equatable {
        /// At least so many, from its first launch on.
        public var floor: Int
        /// At most so many.
        public var ceiling: Int

        public init(floor: Int = 0, ceiling: Int = 4) {
            self.floor = floor
            self.ceiling = ceiling
        }
    }

    /// Configuration keys, below `pool`: `ceiling`, `memoryMiB`, `agentFloor`, `agentCeiling`, `agents`, `halfLife`, `age`,
    /// `parallel`.
    public struct Configuration: Sendable {
        /// Of every agent that has none of its own.
        public var bounds = Bounds()
        /// By agent id.
        public var agents: [String: Bounds] = [:]
        /// Of all agents together.
        public var ceiling = 16
        /// Of the host's memory, for all that wait: 6 MiB each, and 24 under gVisor.
        public var memoryMiB = 256
        /// After this time, a launch counts half.
        public var halfLife: Duration = .seconds(300)
        /// One that has waited for longer is replaced.
        public var age: Duration = .seconds(600)
        /// Prepared at once; more than half of the processors only get in each other's way.
        public var parallel = max(1, ProcessInfo.processInfo.activeProcessorCount / 2)
        /// Longest wait for one that was prepared to show that it still holds; one that is late is not used.
        var verifyLimit: Duration = .seconds(1)

        public init() {}
    }

    /// What it has done since it began, and has now.
    public struct Snapshot: Sendable, Equatable {
        /// Launches in a sandbox that was prepared ahead.
        public var hits = 0
        /// Launches that had to wait for their own.
        public var misses = 0
        /// Ready now.
        public var size = 0
        /// Being prepared now.
        public var preparing = 0
        public var prepared = 0
        /// Preparations that failed.
        public var failed = 0
        /// Of all that were prepared, together.
        public var preparationTime: Duration = .zero
        /// Prepared and never used, by cause.
        public var wasted: [Waste: Int] = [:]
    }

    /// Why a prepared sandbox was never used.
    public enum Waste: String, Sendable, CaseIterable {
        case age
        /// It or the Engine's connection to it ended: the Engine was restarted, or somebody removed it.
        case ended
        /// It did not hold its policy any more.
        case refused
        /// Nobody wants so many any more.
        case surplus
        /// The pool was stopped.
        case stop
    }
}
