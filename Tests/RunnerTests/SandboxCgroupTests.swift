import Foundation
import Testing

@testable import Runner

/// On folders that stand for the kernel's: files that it would make are there before, empty.
@Suite("The cgroup above all sandboxes")
struct SandboxCgroupTests {
    private static let gibibyte: Int64 = 1 << 30

    /// - Parameters:
    ///   - files: what is there before, by path.
    ///   - body: gets the cgroup of a host with 16 GiB, and a function that reads a file of it.
    private func withCgroup(
        _ files: [String: String], _ body: (SandboxCgroup, (String) -> String?) -> Void
    ) throws {
        let root = FileManager.default.temporaryDirectory.appending(path: "paddock-cgroup-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: root) }
        for (file, contents) in files {
            let path = root.appending(path: file)
            try FileManager.default.createDirectory(
                at: path.deletingLastPathComponent(), withIntermediateDirectories: true)
            try Data(contents.utf8).write(to: path)
        }
        body(SandboxCgroup(root: root.path(), memoryTotal: 16 * Self.gibibyte)) {
            try? String(contentsOf: root.appending(path: $0), encoding: .utf8)
        }
    }

    @Test("caps memory with swap, tasks and CPU on version 1, and says so")
    func version1() throws {
        let files = [
            "memory/paddock.slice/memory.limit_in_bytes", "memory/paddock.slice/memory.memsw.limit_in_bytes",
            "pids/paddock.slice/pids.max", "cpu/paddock.slice/cpu.shares",
        ]
        try withCgroup(Dictionary(uniqueKeysWithValues: files.map { ($0, "") })) { cgroup, read in
            cgroup.cap()
            #expect(read("memory/paddock.slice/memory.limit_in_bytes") == "\(14 * Self.gibibyte)")
            #expect(read("memory/paddock.slice/memory.memsw.limit_in_bytes") == "\(14 * Self.gibibyte)")
            #expect(read("pids/paddock.slice/pids.max") == "16384")
            #expect(read("cpu/paddock.slice/cpu.shares") == "512")
            #expect(cgroup.held().memory == 14 * Self.gibibyte)
            #expect(cgroup.held().tasks == 16384)
        }
    }

    @Test("caps the same on version 2, without swap")
    func version2() throws {
        let files = [
            "cgroup.controllers", "cgroup.subtree_control", "paddock.slice/memory.max",
            "paddock.slice/memory.swap.max", "paddock.slice/pids.max", "paddock.slice/cpu.weight",
        ]
        try withCgroup(Dictionary(uniqueKeysWithValues: files.map { ($0, "") })) { cgroup, read in
            cgroup.cap()
            #expect(read("cgroup.subtree_control") == "+memory +pids +cpu")
            #expect(read("paddock.slice/memory.max") == "\(14 * Self.gibibyte)")
            #expect(read("paddock.slice/memory.swap.max") == "0")
            #expect(read("paddock.slice/pids.max") == "16384")
            #expect(read("paddock.slice/cpu.weight") == "50")
            #expect(cgroup.held().memory == 14 * Self.gibibyte)
            #expect(cgroup.held().tasks == 16384)
        }
    }

    @Test(
        "leaves the host an eighth of its memory, and at least 512 MiB",
        arguments: [(64, 56), (16, 14), (4, 3.5), (1, 0.5), (0.5, 0.0625)])
    func share(total: Double, limit: Double) {
        let cgroup = SandboxCgroup(root: "/nonexistent", memoryTotal: Int64(total * Double(Self.gibibyte)))
        #expect(cgroup.memoryLimit == Int64(limit * Double(Self.gibibyte)))
    }

    @Test(
        "what the kernel writes for no limit is none, and so is a cgroup that is not there",
        arguments: [
            [
                "memory/paddock.slice/memory.limit_in_bytes": "9223372036854771712\n",
                "pids/paddock.slice/pids.max": "max\n",
            ],
            ["paddock.slice/memory.max": "max\n", "paddock.slice/pids.max": "max\n"],
            [:],
        ])
    func noLimit(files: [String: String]) throws {
        try withCgroup(files) { cgroup, _ in
            #expect(cgroup.held().memory == nil)
            #expect(cgroup.held().tasks == nil)
        }
    }
}
