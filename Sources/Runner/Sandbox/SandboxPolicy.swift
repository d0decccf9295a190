import DockerAPI
import Entitlements

/// Everything that an execution gets. Nothing else in the project decides what a container may do.
public struct SandboxPolicy: Sendable {
    struct Tmpfs: Sendable, Equatable {
        var path: String
        var sizeKiB: Int
        var inodes: Int
        /// Octal, as mount(8) takes it.
        var mode: String
    }

    /// Where the init is mounted.
    static let initPath = "/.paddock/init"
    /// Where the init's forwarder finds the proxy's socket, `proxy.sock`. The folder is mounted and not the socket: a
    /// runner that takes over makes a new one there.
    static let egressPath = "/.paddock/egress"
    /// Where the agent finds the forwarder.
    static let egressPort = 3128
    static let recorderPath = "/.paddock/recorder"
    static let outputPath = "/run/paddock/output.json"
    /// Short of memory, the host's kernel takes a sandbox before it takes what serves them all.
    static let oomScoreAdjustment = 500
    static let sysctls = [
        "kernel.shm_rmid_forced": "1", "kernel.shmmni": "0", "kernel.shmall": "0", "kernel.msgmni": "0",
        "kernel.sem": "0 0 0 0", "fs.mqueue.queues_max": "0",
    ]
    /// The Engine's own, of old and new versions, and what else tells of the host. A list here replaces the Engine's.
    static let maskedPaths = [
        "/proc/acpi", "/proc/asound", "/proc/cmdline", "/proc/config.gz", "/proc/diskstats", "/proc/interrupts",
        "/proc/kallsyms", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/modules", "/proc/partitions",
        "/proc/sched_debug", "/proc/scsi", "/proc/timer_list",
        "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware", "/sys/kernel/debug",
        "/sys/kernel/security", "/sys/kernel/tracing",
    ]
    static let readonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]

    /// `sha256:…`: what was looked at is what runs.
    let imageID: String
    let uid: UInt32
    var limits: Limits
    let runtime: SandboxRuntime
    /// Paths that the image declares as volumes.
    let volumes: [String]
    let files: HostFiles
    /// As the Engine takes it.
    let seccompProfile: String
    let labels: [String: String]
    /// The cgroup above all sandboxes, as the Engine takes it.
    let cgroupParent: String
    /// The folder of the proxy's socket on the host; nil for a sandbox that reaches nothing.
    var egressFolder: String?
    /// Whether the Engine keeps what the sandbox writes, for a runner that was away to recover.
    var keepsLog = false

    /// Files of ours that the sandbox sees, read-only.
    struct HostFiles: Sendable {
        let initBinary: String
        let passwd: String
        let hosts: String
        /// Only for a run that records its calls.
        var recorder: String?
    }

    /// The tasks that the cgroup allows: the agent's and those of ours beside it, or what gVisor needs to run as many.
    var cgroupPids: Int {
        let ours = 1 + (egressFolder == nil ? 0 : 1) + (files.recorder == nil ? 0 : 1)
        return runtime.hostTasks(for: limits.pids + ours)
    }
    var memoryBytes: Int64 { Int64(limits.memoryMiB) << 20 }
    var nanoCPUs: Int64 { Int64((limits.cpus * 1e9).rounded()) }

    /// What TCP sockets may hold on cgroup v1, which counts it apart from all other memory.
    var tcpMemoryBytes: Int64 { memoryBytes / 4 }

    /// Limits of one process, setrlimit(2). A file's size has one for the sake of sparse files; it is beyond what any
    /// tmpfs holds, so that a full one says ENOSPC and does not end the writer by SIGXFSZ.
    var ulimits: [(name: String, value: Int64)] {
        let largestFile = Int64(tmpfs.map(\.sizeKiB).max() ?? 0) << 10
        return [
            ("nofile", Int64(limits.openFiles)), ("core", 0), ("fsize", largestFile * 2),
            ("memlock", Self.lockedMemoryBytes),
        ]
    }

    /// The kernel's own default: enough for programs that lock a key, too little to lock a host's memory.
    static let lockedMemoryBytes: Int64 = 64 << 10

    /// Each has a size and a number of inodes: without them a tmpfs could hold kernel memory beyond every limit.
    var tmpfs: [Tmpfs] {
        var all = [
            Tmpfs(path: "/tmp", sizeKiB: limits.tmpMiB * 1024, inodes: limits.tmpInodes, mode: "1777"),
            Tmpfs(
                path: "/run/paddock", sizeKiB: limits.runKiB, inodes: Limits.runInodes,
                mode: "0700"),
            Tmpfs(
                path: "/dev/shm", sizeKiB: Limits.sharedMemoryMiB * 1024, inodes: Limits.sharedMemoryInodes,
                mode: "1777"),
        ]
        // An image's VOLUME would be writable disk of the host. Small and fixed: it counts as headroom.
        let taken = Set(all.map(\.path))
        for path in volumes where !taken.contains(path) {
            all.append(Tmpfs(path: path, sizeKiB: 1024, inodes: 256, mode: "1777"))
        }
        return all
    }
}

extension SandboxPolicy {
    /// In one file that holds more than the log's limit and the trailer, since turning it over would lose the beginning.
    private var logConfig: HostConfig.LogConfig {
        guard keepsLog else { return .init(type: "none") }
        let size = limits.logMiB + limits.outputKiB * 2 / 1024 + 8
        return .init(type: "local", config: ["max-size": "\(size)m", "max-file": "1", "compress": "false"])
    }

    /// The Engine's create request. Beside ``unsafeContainerSpec(without:command:surroundings:)``, which changes it for
    /// the doctor's controls, nothing writes a HostConfig; `scripts/check-imports.sh` sees to it.
    func containerSpec() -> ContainerSpec {
        var host = HostConfig()
        host.memory = memoryBytes
        host.memorySwap = memoryBytes
        host.kernelMemoryTCP = tcpMemoryBytes
        host.memorySwappiness = 0
        host.nanoCpus = nanoCPUs
        host.pidsLimit = Int64(cgroupPids)
        host.cgroupParent = cgroupParent
        host.oomScoreAdj = Self.oomScoreAdjustment
        host.ulimits = ulimits.map { .init(name: $0.name, soft: $0.value, hard: $0.value) }
        host.capDrop = ["ALL"]
        host.securityOpt = ["no-new-privileges", "seccomp=\(seccompProfile)"]
        host.readonlyRootfs = true
        host.tmpfs = Dictionary(uniqueKeysWithValues: tmpfs.map { ($0.path, mountOptions($0)) })
        host.mounts = [
            .init(type: "bind", source: files.initBinary, target: Self.initPath, readOnly: true),
            .init(type: "bind", source: files.passwd, target: "/etc/passwd", readOnly: true),
            .init(type: "bind", source: files.hosts, target: "/etc/hosts", readOnly: true),
        ]
        if let egressFolder {
            host.mounts?.append(.init(type: "bind", source: egressFolder, target: Self.egressPath, readOnly: true))
        }
        if let recorder = files.recorder {
            host.mounts?.append(.init(type: "bind", source: recorder, target: Self.recorderPath, readOnly: true))
        }
        host.networkMode = "none"
        host.cgroupnsMode = "private"
        // No shared memory but the tmpfs above, which has a number of inodes.
        host.ipcMode = "none"
        // SysV segments and queues outlive their process and are charged to nobody.
        host.sysctls = Self.sysctls
        host.maskedPaths = Self.maskedPaths
        host.readonlyPaths = Self.readonlyPaths
        host.logConfig = logConfig
        host.restartPolicy = .init(name: "no")
        host.autoRemove = false
        host.privileged = false
        host.runtime = runtime.name

        var spec = ContainerSpec(image: imageID, hostConfig: host)
        spec.entrypoint = [Self.initPath]
        spec.cmd = []
        // The init goes to the image's directory itself: an error there is the agent's and is told as such.
        spec.workingDir = "/"
        spec.user = "\(uid):\(uid)"
        spec.hostname = "sandbox"
        spec.labels = labels.merging([RunnerHost.Label.uid: "\(uid)"]) { $1 }
        spec.attachStdin = true
        spec.attachStdout = true
        spec.attachStderr = true
        spec.openStdin = true
        spec.stdinOnce = true
        spec.tty = false
        spec.networkDisabled = true
        spec.stopSignal = "SIGTERM"
        spec.healthcheck = .init(test: ["NONE"])
        return spec
    }

    private func mountOptions(_ tmpfs: Tmpfs) -> String {
        // Owned by the sandbox's user: runc gives a tmpfs the mode that its folder has in the image, and that may
        // let nobody but the owner write.
        "rw,nosuid,nodev,noexec,size=\(tmpfs.sizeKiB)k,nr_inodes=\(tmpfs.inodes),mode=\(tmpfs.mode)"
            + ",uid=\(uid),gid=\(uid)"
    }
}
