import Entitlements
import Foundation

/// A container's cgroup as the host sees it: for a runtime that does not show it inside, or does not set all of it.
struct HostCgroup: Sendable {
    private let root: String
    /// Controller, or "" for v2, to the path below the root.
    private let paths: [String: String]

    /// - Parameter pid: of the container's first process, on this host; proc_pid_cgroup(5).
    init?(pid: Int, root: String = "/sys/fs/cgroup") {
        guard pid > 0, let text = try? String(contentsOfFile: "/proc/\(pid)/cgroup", encoding: .utf8) else {
            return nil
        }
        self.root = root
        var paths: [String: String] = [:]
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3 else { continue }
            for controller in parts[1].split(separator: ",", omittingEmptySubsequences: false) {
                paths[String(controller)] = String(parts[2])
            }
        }
        self.paths = paths
    }

    /// Where the Engine's driver `cgroupfs` puts a container on version 1; nil where there is no such thing.
    init?(containerID: String, parent: String, root: String = "/sys/fs/cgroup") {
        guard parent.hasPrefix("/"), access("\(root)/memory\(parent)/\(containerID)", F_OK) == 0 else { return nil }
        self.root = root
        let controllers = ["memory", "cpu", "cpuacct", "pids"]
        paths = Dictionary(uniqueKeysWithValues: controllers.map { ($0, "\(parent)/\(containerID)") })
    }

    /// The limits, by the keys that the init's report has.
    func limits() -> [(key: String, value: String)] {
        let version1: [(controller: String, file: String)] = [
            ("memory", "memory.limit_in_bytes"), ("memory", "memory.memsw.limit_in_bytes"),
            ("memory", "memory.swappiness"), ("cpu", "cpu.cfs_quota_us"), ("cpu", "cpu.cfs_period_us"),
            ("pids", "pids.max"),
        ]
        let version2 = ["memory.max", "memory.swap.max", "cpu.max", "pids.max"]
        return version1.compactMap { entry in
            paths[entry.controller].flatMap { contents("\(root)/\(entry.controller)\($0)/\(entry.file)") }
                .map { ("cgroup1", "\(entry.file) \($0)") }
        }
            + version2.compactMap { file in
                paths[""].flatMap { contents("\(root)\($0)/\(file)") }.map { ("cgroup2", "\(file) \($0)") }
            }
    }

    /// Limits what TCP sockets hold, on version 1. Whoever may not write there leaves it as it is, and `paddock doctor`
    /// says so.
    func limitTCP(_ bytes: Int64) {
        guard let path = paths["memory"],
            let file = FileHandle(forWritingAtPath: "\(root)/memory\(path)/\(Self.tcpLimit)")
        else { return }
        try? file.write(contentsOf: Data("\(bytes)".utf8))
        try? file.close()
    }

    /// Version 1 only; version 2 counts sockets as memory.
    static let tcpLimit = "memory.kmem.tcp.limit_in_bytes"

    /// What was used so far: CPU time, and the peak of memory in bytes.
    func usage() -> (cpu: Duration, memoryPeak: Int64)? {
        if let nanoseconds = number("cpuacct", "cpuacct.usage"),
            let peak = number("memory", "memory.max_usage_in_bytes")
        {
            return (.nanoseconds(nanoseconds), peak)
        }
        guard let path = paths[""], let stat = contents("\(root)\(path)/cpu.stat"),
            let line = stat.split(separator: "\n").first(where: { $0.hasPrefix("usage_usec ") }),
            let microseconds = Int64(line.dropFirst("usage_usec ".count)),
            let peak = contents("\(root)\(path)/memory.peak").flatMap({ Int64($0) })
        else { return nil }
        return (.microseconds(microseconds), peak)
    }

    private func number(_ controller: String, _ file: String) -> Int64? {
        paths[controller].flatMap { contents("\(root)/\(controller)\($0)/\(file)") }.flatMap { Int64($0) }
    }

    private func contents(_ path: String) -> String? {
        (try? String(contentsOfFile: path, encoding: .utf8))?.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}
