/// The Engine's version.
public struct EngineVersion: Sendable, Decodable {
    public let version: String
    public let apiVersion: String
    public let minAPIVersion: String
    public let kernelVersion: String?
    public let components: [Component]?

    public struct Component: Sendable, Decodable {
        public let name: String
        public let version: String
    }
}

/// The Engine's host; only what Paddock reads.
public struct EngineInfo: Sendable, Decodable {
    /// Unlike in other types the Engine may leave these out.
    public let serverVersion: String?
    public let driver: String?
    /// `1` or `2`.
    public let cgroupVersion: String?
    public let cgroupDriver: String?
    public let runtimes: [String: Runtime]?
    public let defaultRuntime: String?
    public let securityOptions: [String]?
    public let liveRestoreEnabled: Bool?
    public let nCPU: Int?
    /// Bytes.
    public let memTotal: Int64?

    public struct Runtime: Sendable, Decodable {
        public let path: String?
        public let runtimeArgs: [String]?
    }
}

/// Something that happened on the Engine.
public struct EngineEvent: Sendable, Decodable {
    /// `container`, `image`, …
    public let type: String
    /// `start`, `die`, `oom`, …
    public let action: String
    public let actor: Actor
    /// Unix time in nanoseconds.
    public let timeNano: Int64?

    public struct Actor: Sendable, Decodable {
        /// As the decoder's key strategy leaves `ID`.
        private let iD: String
        public let attributes: [String: String]?
        public var id: String { iD }
    }
}

/// A volume as the list shows it.
public struct VolumeSummary: Sendable, Decodable {
    public let name: String
    public let labels: [String: String]?
}

/// A network as the list shows it.
public struct NetworkSummary: Sendable, Decodable {
    public let id: String
    public let name: String
    public let labels: [String: String]?
}
