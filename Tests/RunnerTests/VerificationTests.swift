import Entitlements
import Foundation
import Testing

@testable import Runner

@Suite("What the kernel holds against what the policy says")
struct VerificationTests {
    private let policy: SandboxPolicy

    init() throws {
        policy = SandboxPolicy(
            imageID: "sha256:0", uid: 1_900_000_007, limits: try LimitsRequest().resolved(), runtime: .engineDefault,
            volumes: [],
            files: .init(initBinary: "/i", passwd: "/p", hosts: "/h"), seccompProfile: "{}", labels: [:],
            cgroupParent: "/paddock.slice")
    }

    /// A report as a sandbox that holds everything writes it, with one text replaced by another.
    private func report(replacing old: String = "", with new: String = "") throws -> InitMessage {
        let status = """
            Name:\tinit
            Uid:\t1900000007\t1900000007\t1900000007\t1900000007
            Gid:\t1900000007\t1900000007\t1900000007\t1900000007
            Groups:\t1900000007\u{20}
            CapInh:\t0000000000000000
            CapPrm:\t0000000000000000
            CapEff:\t0000000000000000
            CapBnd:\t0000000000000000
            CapAmb:\t0000000000000000
            NoNewPrivs:\t1
            Seccomp:\t2
            Seccomp_filters:\t1

            """
        let net = "Inter-| Receive\n face |bytes\n    lo:       0       0\n"
        let mounts = """
            1 0 0:1 / / ro,relatime - overlay overlay rw
            2 1 0:2 /x /etc/passwd ro - ext4 /dev/a rw
            3 1 0:2 /x /etc/hosts ro - ext4 /dev/a rw
            4 1 0:2 /x /.paddock/init ro - ext4 /dev/a rw
            5 1 0:3 / /tmp rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,size=65536k,nr_inodes=16384
            6 1 0:4 / /run/paddock rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,size=3072k,nr_inodes=256
            7 1 0:5 / /dev/shm rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,size=4096k,nr_inodes=256
            8 1 0:6 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
            9 8 0:6 /sys /proc/sys ro,nosuid,nodev,noexec,relatime - proc proc rw

            """
        let cgroup = """
            cgroup1 memory.limit_in_bytes 536870912
            cgroup1 memory.memsw.limit_in_bytes 536870912
            cgroup1 cpu.cfs_quota_us 50000
            cgroup1 cpu.cfs_period_us 100000
            cgroup1 pids.max 129

            """
        let limits = """
            Limit                     Soft Limit           Hard Limit           Units
            Max file size             134217728            134217728             bytes
            Max core file size        0                    0                    bytes
            Max open files            1024                 1024                 files
            Max locked memory         65536                65536                bytes

            """
        let kernel = """
            sysctl kernel/shm_rmid_forced 1
            sysctl kernel/shmmni 0
            sysctl kernel/shmall 0
            sysctl kernel/msgmni 0
            sysctl kernel/sem 0 0 0 0
            sysctl fs/mqueue/queues_max 0
            oom_score_adj 500
            processes 1

            """
        func changed(_ text: String) -> String {
            guard !old.isEmpty, let range = text.firstRange(of: old) else { return text }
            return text.replacingCharacters(in: range, with: new)
        }
        var payload = "paddock-init 1\n" + changed(cgroup) + changed(kernel)
        for (name, text) in [("status", status), ("net", net), ("mounts", mounts), ("limits", limits)] {
            let section = changed(text)
            payload += "@\(name) \(section.utf8.count)\n\(section)\n"
        }
        return try InitMessage(payload: Array(payload.utf8))
    }

    @discardableResult
    private func check(_ report: InitMessage) throws -> PolicyEvidence {
        var verification = Verification(report, against: policy)
        try verification.check()
        return verification.evidence
    }

    @Test("a sandbox that holds everything passes")
    func passes() throws {
        try check(report())
    }

    @Test(
        "one promise that does not hold is named",
        arguments: [
            ("Uid:\t1900000007\t1900000007", "Uid:\t1900000007\t0", "Uid"),
            ("Gid:\t1900000007", "Gid:\t0", "Gid"),
            ("Groups:\t1900000007", "Groups:\t27 1900000007", "Groups"),
            ("CapEff:\t0000000000000000", "CapEff:\t0000000000000001", "CapEff"),
            ("CapBnd:\t0000000000000000", "CapBnd:\t00000000a80425fb", "CapBnd"),
            ("NoNewPrivs:\t1", "NoNewPrivs:\t0", "NoNewPrivs"),
            ("Seccomp:\t2", "Seccomp:\t0", "Seccomp"),
            ("Seccomp_filters:\t1", "Seccomp_filters:\t0", "Seccomp_filters"),
            ("memory.limit_in_bytes 536870912", "memory.limit_in_bytes 9223372036854771712", "memory.limit_in_bytes"),
            ("memsw.limit_in_bytes 536870912", "memsw.limit_in_bytes 1073741824", "memsw"),
            ("pids.max 129", "pids.max max", "pids.max"),
            ("cfs_quota_us 50000", "cfs_quota_us -1", "CPU quota"),
            ("    lo:", "  eth0:", "eth0"),
            ("/ / ro,", "/ / rw,", "/"),
            ("/etc/passwd ro", "/etc/passwd rw", "/etc/passwd"),
            ("/tmp rw,nosuid,nodev,noexec", "/tmp rw,nosuid,nodev", "/tmp"),
            ("size=65536k", "size=131072k", "/tmp"),
            ("nr_inodes=16384", "nr_inodes=0", "/tmp"),
            ("9 8 0:6 /sys /proc/sys ro", "9 8 0:6 /sys /proc/sys rw", "/proc/sys"),
            ("8 1 0:6 / /proc rw", "8 1 0:7 / /data rw,relatime - ext4 /dev/vda rw\n8 1 0:6 / /proc rw", "/data"),
            ("Max open files            1024                 1024", "Max open files 1024 4096", "Max open files"),
            ("Max core file size        0                    0", "Max core file size 0 unlimited", "Max core"),
            ("Max file size             134217728            134217728", "Max file size 1 unlimited", "Max file"),
            ("Max locked memory         65536", "Max locked memory unlimited", "Max locked memory"),
            ("kernel/shmmni 0", "kernel/shmmni 4096", "kernel.shmmni"),
            ("processes 1", "processes 2", "processes"),
            ("oom_score_adj 500", "oom_score_adj 0", "oom_score_adj"),
            ("6 1 0:4 / /run/paddock", "6 1 0:4 / /elsewhere", "/run/paddock"),
        ])
    func mismatch(old: String, new: String, named: String) throws {
        let report = try report(replacing: old, with: new)
        let error = #expect(throws: Verification.Mismatch.self) {
            try check(report)
        }
        #expect(error?.description.contains(named) == true, "\(error?.description ?? "")")
    }

    @Test("cgroup v2 is read by its own names")
    func cgroup2() throws {
        let version2 = """
            cgroup2 memory.max 536870912
            cgroup2 memory.swap.max 0
            cgroup2 cpu.max 50000 100000
            cgroup2 pids.max 129
            """
        let version1 = """
            cgroup1 memory.limit_in_bytes 536870912
            cgroup1 memory.memsw.limit_in_bytes 536870912
            cgroup1 cpu.cfs_quota_us 50000
            cgroup1 cpu.cfs_period_us 100000
            cgroup1 pids.max 129
            """
        try check(report(replacing: version1, with: version2))
        let withSwap = version2.replacing("swap.max 0", with: "swap.max max")
        let report = try report(replacing: version1, with: withSwap)
        #expect(throws: Verification.Mismatch.self) { try check(report) }
    }

    @Test("nothing reported is nothing held")
    func empty() throws {
        let report = try InitMessage(payload: Array("paddock-init 1\n".utf8))
        #expect(throws: Verification.Mismatch.self) { try check(report) }
    }

    @Test("what was asked and what is held can be told afterwards")
    func evidence() throws {
        let evidence = try check(report())
        #expect(evidence.held["CapEff"] == "0000000000000000")
        #expect(evidence.held["memory.limit_in_bytes"] == "536870912")
        #expect(evidence.held["cpus"] == "50000/100000")
        #expect(evidence.held["interfaces"] == "lo")
        #expect(evidence.held["mount /"] == "ro")
        #expect(evidence.held["writable file systems"] == "proc tmpfs")
        let filter = try #require(evidence.asked["seccomp profile"])
        #expect(filter == "sha256:" + ContentDigest(of: Array("{}".utf8)).sha256)
        #expect(Set(evidence.asked.keys).subtracting(evidence.held.keys) == ["seccomp profile"])
    }

    @Test("what did not hold is in the evidence")
    func evidenceOfMismatch() throws {
        var verification = Verification(
            try report(replacing: "    lo:", with: "  eth0:"), against: policy)
        #expect(throws: Verification.Mismatch.self) { try verification.check() }
        #expect(verification.evidence.asked["interfaces"] == "lo")
        #expect(verification.evidence.held["interfaces"] == "eth0")
    }
}
