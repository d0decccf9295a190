import Entitlements

/// Compares what the kernel holds, as the init reports it before launch, with the policy.
///
/// The report is the kernel's own files, read by our init while no code but ours runs in the sandbox. So the check
/// needs no rights on the host and no second call to the Engine. gVisor shows less of itself to what runs inside: its
/// cgroup's limits are read on the host and added to the report, and what it never shows is not looked at.
struct Verification {
    /// A promise that does not hold.
    struct Mismatch: Error, CustomStringConvertible, Equatable {
        let what: String
        let expected: String
        let actual: String

        var description: String { "\(what) is \(actual), and the policy says \(expected)" }
    }

    private let report: InitMessage
    private let policy: SandboxPolicy
    /// All that was compared so far.
    private(set) var evidence = PolicyEvidence()

    init(_ report: InitMessage, against policy: SandboxPolicy) {
        self.report = report
        self.policy = policy
    }

    /// - Throws: ``Mismatch`` for the first promise that does not hold.
    mutating func check() throws {
        evidence.asked["seccomp profile"] = "sha256:" + ContentDigest(of: Array(policy.seccompProfile.utf8)).sha256
        try checkIdentity()
        try checkCgroup()
        try checkNetwork()
        // Whoever else is there came from outside, and may have done anything.
        try expect("processes", "1", report["processes"])
        try checkMounts()
        guard sharesKernel else { return }
        try checkProcessLimits()
        try checkKernelSettings()
    }

    private var sharesKernel: Bool { policy.runtime.kernel == .host }

    private mutating func note(_ name: String, asked: String, held: String?) {
        evidence.asked[name] = asked
        evidence.held[name] = held
    }

    private mutating func expect(_ what: String, _ expected: String, _ actual: String?) throws {
        note(what, asked: expected, held: actual)
        guard actual == expected else {
            throw Mismatch(what: what, expected: expected, actual: actual ?? "not reported")
        }
    }

    // MARK: Who it is: proc_pid_status(5)

    private mutating func checkIdentity() throws {
        var status: [Substring: String] = [:]
        for line in (report.text(section: "status") ?? "").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 {
                status[parts[0]] = parts[1].split(whereSeparator: \.isWhitespace).joined(separator: " ")
            } else if let name = parts.first {
                status[name] = ""
            }
        }
        let id = "\(policy.uid)"
        let four = "\(id) \(id) \(id) \(id)"
        try expect("Uid", four, status["Uid"])
        try expect("Gid", four, status["Gid"])
        let groups = status["Groups"] ?? ""
        note("Groups", asked: id, held: groups)
        guard groups.isEmpty || groups == id else { throw Mismatch(what: "Groups", expected: "none", actual: groups) }
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd"] {
            try expect(set, "0000000000000000", status[Substring(set)])
        }
        if !sharesKernel, status["Seccomp"] == "0" {
            note("Seccomp", asked: "2", held: "0")
            throw Mismatch(
                what: "Seccomp", expected: "2: add \"--oci-seccomp\" to the runtime's runtimeArgs", actual: "0")
        }
        try expect("Seccomp", "2", status["Seccomp"])
        guard sharesKernel else { return }
        try expect("CapAmb", "0000000000000000", status["CapAmb"])
        try expect("NoNewPrivs", "1", status["NoNewPrivs"])
        // Kernels before 5.9 do not count them.
        if let filters = status["Seccomp_filters"] { try expect("Seccomp_filters", "1", filters) }
    }

    // MARK: What it may use: cgroups(7)

    private mutating func checkCgroup() throws {
        let version1 = report.cgroupFiles(version: 1)
        let version2 = report.cgroupFiles(version: 2)
        let memory = String(policy.memoryBytes)
        let pids = String(policy.cgroupPids)
        if version1["memory.limit_in_bytes"] != nil {
            try expect("memory.limit_in_bytes", memory, version1["memory.limit_in_bytes"])
            try expect("memory.memsw.limit_in_bytes", memory, version1["memory.memsw.limit_in_bytes"])
            try expect("pids.max", pids, version1["pids.max"])
            try expectCPU(quota: version1["cpu.cfs_quota_us"], period: version1["cpu.cfs_period_us"])
        } else {
            try expect("memory.max", memory, version2["memory.max"])
            try expect("memory.swap.max", "0", version2["memory.swap.max"])
            try expect("pids.max", pids, version2["pids.max"])
            let words = (version2["cpu.max"] ?? "").split(separator: " ").map { String($0) }
            try expectCPU(quota: words.first, period: words.last)
        }
    }

    private mutating func expectCPU(quota: String?, period: String?) throws {
        let quotaValue = quota.flatMap { Double($0) } ?? .infinity
        let periodValue = period.flatMap { Double($0) } ?? 0
        // The Engine rounds to microseconds of a 100 ms period.
        note("cpus", asked: policy.limits.cpus.plain, held: quota.flatMap { quota in period.map { "\(quota)/\($0)" } })
        let isHeld = periodValue > 0 && abs(quotaValue / periodValue - policy.limits.cpus) <= 0.001
        guard isHeld else {
            throw Mismatch(
                what: "the CPU quota", expected: "\(policy.limits.cpus) CPUs",
                actual: "\(quota ?? "not reported") of \(period ?? "not reported") µs")
        }
    }

    // MARK: What it can reach: proc_pid_net(5)

    private mutating func checkNetwork() throws {
        guard let text = report.text(section: "net") else {
            throw Mismatch(what: "the list of interfaces", expected: "lo", actual: "not reported")
        }
        let interfaces: [String] = text.split(separator: "\n").compactMap { line in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            return line.prefix(upTo: colon).filter { $0 != " " }
        }
        note("interfaces", asked: "lo", held: interfaces.sorted().joined(separator: " "))
        let others = interfaces.filter { $0 != "lo" }
        guard others.isEmpty else {
            throw Mismatch(what: "the list of interfaces", expected: "lo", actual: others.joined(separator: ", "))
        }
    }

    // MARK: What one process may use: getrlimit(2)

    private mutating func checkProcessLimits() throws {
        let names = [
            "nofile": "Max open files", "core": "Max core file size", "fsize": "Max file size",
            "memlock": "Max locked memory",
        ]
        let lines = (report.text(section: "limits") ?? "").split(separator: "\n")
        for limit in policy.ulimits {
            guard let name = names[limit.name] else { continue }
            let line = lines.first { $0.hasPrefix(name + " ") }
            // Soft, hard, unit.
            let words = line?.dropFirst(name.count).split(separator: " ").prefix(2).joined(separator: " ")
            try expect(name, "\(limit.value) \(limit.value)", words)
        }
    }

    // MARK: What it can do to the kernel: proc_sys_kernel(5), proc_pid_oom_score_adj(5)

    private mutating func checkKernelSettings() throws {
        var settings: [String: String] = [:]
        for (key, value) in report.values where key == "sysctl" {
            let parts = value.split(separator: " ", maxSplits: 1)
            if parts.count == 2 { settings[parts[0].map { $0 == "/" ? "." : String($0) }.joined()] = String(parts[1]) }
        }
        for (name, value) in SandboxPolicy.sysctls.sorted(by: { $0.key < $1.key }) {
            try expect(name, value, settings[name])
        }
        try expect("oom_score_adj", "\(SandboxPolicy.oomScoreAdjustment)", report["oom_score_adj"])
    }

    // MARK: What it can write: proc_pid_mountinfo(5)

    private struct Mount {
        let options: Set<Substring>
        let fileSystem: Substring
        let superOptions: Set<Substring>
    }

    /// What holds nothing of the host's disks; all else that is mounted must be read-only.
    private static let harmlessFileSystems: Set<Substring> = ["tmpfs", "proc", "devpts", "mqueue"]

    private mutating func checkMounts() throws {
        var mounts: [String: Mount] = [:]
        var writable: Set<Substring> = []
        defer {
            note(
                "writable file systems", asked: Self.harmlessFileSystems.sorted().joined(separator: " "),
                held: writable.sorted().joined(separator: " "))
        }
        for line in (report.text(section: "mounts") ?? "").split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count > 6, let dash = words.firstIndex(of: "-"), words.count > dash + 3 else { continue }
            let mount = Mount(
                options: Set(words[5].split(separator: ",")), fileSystem: words[dash + 1],
                superOptions: Set(words[dash + 3].split(separator: ",")))
            mounts[String(words[4])] = mount
            let isReadOnly = mount.options.contains("ro")
            if !isReadOnly { writable.insert(mount.fileSystem) }
            guard isReadOnly || Self.harmlessFileSystems.contains(mount.fileSystem) else {
                throw Mismatch(
                    what: "the mount of \(words[4])", expected: "read-only", actual: "a writable \(mount.fileSystem)")
            }
        }
        var readOnly = ["/", "/etc/passwd", "/etc/hosts", SandboxPolicy.initPath]
        // Most of what the kernel lets be written to is there. gVisor has a /proc of its own.
        if sharesKernel { readOnly.append("/proc/sys") }
        if policy.egressFolder != nil {
            readOnly.append(SandboxPolicy.egressPath)
        } else if mounts[SandboxPolicy.egressPath] != nil {
            throw Mismatch(what: "the mount of \(SandboxPolicy.egressPath)", expected: "absent", actual: "there")
        }
        if policy.files.recorder != nil { readOnly.append(SandboxPolicy.recorderPath) }
        for path in readOnly {
            note("mount \(path)", asked: "ro", held: mounts[path].map { $0.options.contains("ro") ? "ro" : "rw" })
            guard mounts[path]?.options.contains("ro") == true else {
                throw Mismatch(what: "the mount of \(path)", expected: "read-only", actual: "writable or absent")
            }
        }
        for tmpfs in policy.tmpfs { try check(tmpfs, mounts[tmpfs.path]) }
    }

    private mutating func check(_ tmpfs: SandboxPolicy.Tmpfs, _ mount: Mount?) throws {
        // gVisor knows no devices and no number of inodes: they are memory of its own, which the cgroup limits.
        let options: Set<Substring> = sharesKernel ? ["nosuid", "nodev", "noexec"] : ["noexec"]
        var superOptions: Set<Substring> = ["size=\(tmpfs.sizeKiB)k"]
        if sharesKernel { superOptions.insert("nr_inodes=\(tmpfs.inodes)") }
        let asked = options.union(superOptions).sorted().joined(separator: ",")
        let actual = mount.map {
            "\($0.fileSystem) \($0.options.union($0.superOptions).sorted().joined(separator: ","))"
        }
        note("mount \(tmpfs.path)", asked: "tmpfs \(asked)", held: actual)
        guard let mount, mount.fileSystem == "tmpfs", mount.options.isSuperset(of: options),
            mount.superOptions.isSuperset(of: superOptions)
        else {
            throw Mismatch(
                what: "the mount of \(tmpfs.path)",
                expected: "a tmpfs of \(tmpfs.sizeKiB) KiB and \(tmpfs.inodes) inodes", actual: actual ?? "absent")
        }
    }
}
