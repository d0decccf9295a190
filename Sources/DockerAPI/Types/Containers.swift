/// A container as inspect shows it; only what Paddock reads.
public struct ContainerDetails: Sendable, Decodable {
    public let id: String
    public let name: String
    /// `sha256:…` of the image it was made from.
    public let image: String
    public let state: State
    public let config: Config
    public let hostConfig: Host

    public struct State: Sendable, Decodable {
        /// `created`, `running`, `paused`, `restarting`, `removing`, `exited`, `dead`.
        public let status: String
        public let running: Bool
        /// On the Engine's host; 0 when it does not run.
        public let pid: Int
        public let exitCode: Int
        /// On cgroup v1 also true when only a child was killed.
        public let oomKilled: Bool
        public let error: String
        public let startedAt: String
        public let finishedAt: String

        private enum CodingKeys: String, CodingKey {
            case status, running, pid, exitCode, error, startedAt, finishedAt
            // As the decoder's key strategy leaves `OOMKilled`.
            case oomKilled = "oOMKilled"
        }
    }

    public struct Config: Sendable, Decodable {
        public let labels: [String: String]?
        public let env: [String]?
        public let tty: Bool
    }

    public struct Host: Sendable, Decodable {
        public let memory: Int64
        public let pidsLimit: Int64?
        public let nanoCpus: Int64
        public let networkMode: String
        public let readonlyRootfs: Bool
        public let runtime: String?
    }
}

/// A container as the list shows it.
public struct ContainerSummary: Sendable, Decodable {
    public let id: String
    /// Each begins with `/`.
    public let names: [String]
    public let image: String
    public let imageID: String
    public let state: String
    /// Unix time in seconds.
    public let created: Int64
    public let labels: [String: String]
}

/// How a container ended.
public struct ContainerExit: Sendable, Decodable {
    public let statusCode: Int
    public let error: Failure?

    public struct Failure: Sendable, Decodable {
        public let message: String
    }
}

/// One reading of a container's counters. These keys are lower-case in the Engine's API.
public struct ContainerStats: Sendable, Decodable {
    public let memory: Memory
    public let cpu: CPU
    public let pids: Pids

    public struct Memory: Sendable, Decodable {
        /// Bytes, with the page cache.
        public let usage: UInt64?
        /// Bytes; cgroup v1 only.
        public let peak: UInt64?
        public let limit: UInt64?

        private enum CodingKeys: String, CodingKey {
            case usage, limit
            case peak = "max_usage"
        }
    }

    public struct CPU: Sendable, Decodable {
        private let usage: Usage

        /// Nanoseconds of CPU time.
        public var total: UInt64 { usage.total }

        private struct Usage: Sendable, Decodable {
            let total: UInt64
            private enum CodingKeys: String, CodingKey { case total = "total_usage" }
        }

        private enum CodingKeys: String, CodingKey { case usage = "cpu_usage" }
    }

    public struct Pids: Sendable, Decodable {
        public let current: UInt64?
        public let limit: UInt64?
    }

    private enum CodingKeys: String, CodingKey {
        case memory = "memory_stats"
        case cpu = "cpu_stats"
        case pids = "pids_stats"
    }
}
