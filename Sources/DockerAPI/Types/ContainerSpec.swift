/// What a container is made of. A nil field is left to the Engine.
///
/// Source: Engine API, `POST /containers/create`.
public struct ContainerSpec: Sendable, Encodable {
    /// A reference or `sha256:…`.
    public var image: String
    public var entrypoint: [String]?
    public var cmd: [String]?
    /// `NAME=VALUE`; the image's own come first.
    public var env: [String]?
    public var workingDir: String?
    /// `UID:GID`, or names from the image.
    public var user: String?
    public var hostname: String?
    public var labels: [String: String]?
    public var attachStdin: Bool?
    public var attachStdout: Bool?
    public var attachStderr: Bool?
    public var openStdin: Bool?
    /// The container's stdin ends when the first client that attached to it goes away.
    public var stdinOnce: Bool?
    public var tty: Bool?
    /// No network set-up at all: the sandbox has its own namespace with nothing but `lo`.
    public var networkDisabled: Bool?
    public var stopSignal: String?
    public var healthcheck: Healthcheck?
    public var hostConfig: HostConfig

    public init(image: String, hostConfig: HostConfig = HostConfig()) {
        self.image = image
        self.hostConfig = hostConfig
    }

    public struct Healthcheck: Sendable, Encodable {
        /// `["NONE"]` turns the image's own off.
        public var test: [String]

        public init(test: [String]) { self.test = test }
    }
}

/// What a container gets of its host. A nil field is left to the Engine.
public struct HostConfig: Sendable, Encodable {
    /// Bytes.
    public var memory: Int64?
    /// Memory and swap together, in bytes; equal to `memory` for no swap.
    public var memorySwap: Int64?
    /// Bytes that TCP sockets may hold, on cgroup v1. crun heeds it, and runc since 1.1 does not.
    public var kernelMemoryTCP: Int64?
    /// 0 to 100.
    public var memorySwappiness: Int?
    /// Billionths of a CPU.
    public var nanoCpus: Int64?
    public var pidsLimit: Int64?
    public var ulimits: [Ulimit]?
    public var capDrop: [String]?
    public var capAdd: [String]?
    public var securityOpt: [String]?
    public var readonlyRootfs: Bool?
    /// Path to mount options.
    public var tmpfs: [String: String]?
    public var mounts: [Mount]?
    public var networkMode: String?
    public var ipcMode: String?
    public var pidMode: String?
    public var cgroupnsMode: String?
    public var cgroupParent: String?
    public var shmSize: Int64?
    public var oomScoreAdj: Int?
    public var sysctls: [String: String]?
    public var maskedPaths: [String]?
    public var readonlyPaths: [String]?
    public var privileged: Bool?
    public var devices: [Device]?
    /// As in `c 1:11 rm`; the kernel's device cgroup.
    public var deviceCgroupRules: [String]?
    public var runtime: String?
    public var logConfig: LogConfig?
    public var restartPolicy: RestartPolicy?
    public var autoRemove: Bool?
    public var `init`: Bool?

    public init() {}

    public struct Ulimit: Sendable, Encodable {
        public var name: String
        public var soft: Int64
        public var hard: Int64

        public init(name: String, soft: Int64, hard: Int64) {
            self.name = name
            self.soft = soft
            self.hard = hard
        }
    }

    public struct Mount: Sendable, Encodable {
        /// `bind`, `tmpfs` or `volume`.
        public var type: String
        public var source: String?
        public var target: String
        public var readOnly: Bool

        public init(type: String, source: String?, target: String, readOnly: Bool) {
            self.type = type
            self.source = source
            self.target = target
            self.readOnly = readOnly
        }
    }

    public struct Device: Sendable, Encodable {
        public var pathOnHost: String
        public var pathInContainer: String
        /// Of `r`, `w` and `m`.
        public var cgroupPermissions: String

        public init(path: String) {
            pathOnHost = path
            pathInContainer = path
            cgroupPermissions = "rwm"
        }
    }

    public struct LogConfig: Sendable, Encodable {
        /// `none`, `local`, `json-file` and others.
        public var type: String
        public var config: [String: String]

        public init(type: String, config: [String: String] = [:]) {
            self.type = type
            self.config = config
        }
    }

    public struct RestartPolicy: Sendable, Encodable {
        public var name: String

        public init(name: String) { self.name = name }
    }
}

/// The answer to a create.
public struct ContainerCreated: Sendable, Decodable {
    public let id: String
    public let warnings: [String]?
}

/// Limits to change on an existing container. A nil field stays as it is.
public struct ContainerUpdate: Sendable, Encodable {
    public var memory: Int64?
    public var memorySwap: Int64?
    public var nanoCpus: Int64?
    public var pidsLimit: Int64?

    public init() {}
}
