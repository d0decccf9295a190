import Foundation

/// The cgroup above all sandboxes: what they may use together, so that the host keeps something for itself.
///
/// A slice to the Engine's driver `systemd`, a folder to `cgroupfs`. It stays when the last sandbox has gone.
struct SandboxCgroup: Sendable {
    static let name = "paddock.slice"

    /// How the Engine's driver takes it. Without the slash `cgroupfs` would look for it below the Engine's own cgroup, and
    /// with one `systemd` takes no name.
    static func parent(driver: String?) -> String { driver == "systemd" ? name : "/" + name }

    private let root: String
    private let memoryTotal: Int64

    /// - Parameters:
    ///   - root: where cgroups are mounted.
    ///   - memoryTotal: of the host, in bytes.
    init(root: String = "/sys/fs/cgroup", memoryTotal: Int64 = SandboxCgroup.hostMemory()) {
        self.root = root
        self.memoryTotal = memoryTotal
    }

    /// Memory of all sandboxes: all but an eighth of the host's, and at least 512 MiB less.
    var memoryLimit: Int64 { max(64 << 20, memoryTotal - max(memoryTotal / 8, 512 << 20)) }
    /// Tasks of all sandboxes: half of what a kernel has room for by default.
    static let tasks = 16384
    /// Half of what anything else on the host gets, when both want the CPU.
    static let shares = 512

    /// Writes the caps. Whoever may not write there runs without them, and `paddock doctor` says so.
    func cap() {
        if FileManager.default.fileExists(atPath: root + "/cgroup.controllers") {
            write("+memory +pids +cpu", "\(root)/cgroup.subtree_control")
            let folder = make("\(root)/\(Self.name)")
            write("\(memoryLimit)", folder + "/memory.max")
            write("0", folder + "/memory.swap.max")
            write("\(Self.tasks)", folder + "/pids.max")
            write("\(Self.shares * 100 / 1024)", folder + "/cpu.weight")
        } else {
            let memory = make("\(root)/memory/\(Self.name)")
            write("\(memoryLimit)", memory + "/memory.limit_in_bytes")
            write("\(memoryLimit)", memory + "/memory.memsw.limit_in_bytes")
            write("\(Self.tasks)", make("\(root)/pids/\(Self.name)") + "/pids.max")
            write("\(Self.shares)", make("\(root)/cpu/\(Self.name)") + "/cpu.shares")
        }
    }

    /// What is held now: bytes and tasks; nil where there is no such cgroup or no limit.
    func held() -> (memory: Int64?, tasks: Int?) {
        let version2 = "\(root)/\(Self.name)"
        let memory = number(version2 + "/memory.max") ?? number("\(root)/memory/\(Self.name)/memory.limit_in_bytes")
        let tasks = number(version2 + "/pids.max") ?? number("\(root)/pids/\(Self.name)/pids.max")
        // v1 writes "no limit" as a number beyond every memory there is.
        return (memory.flatMap { $0 <= memoryTotal ? $0 : nil }, tasks.map { Int($0) })
    }

    /// Bytes of RAM.
    static func hostMemory() -> Int64 { Int64(ProcessInfo.processInfo.physicalMemory) }

    private func make(_ folder: String) -> String {
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        return folder
    }

    private func write(_ value: String, _ path: String) {
        guard let file = FileHandle(forWritingAtPath: path) else { return }
        try? file.write(contentsOf: Data(value.utf8))
        try? file.close()
    }

    private func number(_ path: String) -> Int64? {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
        return Int64(text.trimmingCharacters(in: .whitespacesAndNewlines))
    }
}
