import DockerAPI
import Glibc

/// Reads what the init reports before launch, and compares it with the policy.
enum SandboxReport {
    /// The streams ended, and there was no report.
    struct Missing: Error, CustomStringConvertible {
        /// The runtime's or the init's own complaint.
        fileprivate let said: [UInt8]

        var description: String {
            let said = String(decoding: said, as: UTF8.self).split(separator: "\n").joined(separator: "; ")
            return said.isEmpty
                ? "the sandbox ended without a result: it was killed, or the Engine stopped"
                : "the sandbox ended without a result, saying: \(said)"
        }
    }

    /// A report holds four files of /proc; see docs/sandbox-init.md.
    private static let limit = 256 << 10
    private static let foreignLimit = 4096

    /// Reads to the end of the next report; nothing follows it before the frame.
    /// - Throws: ``Missing``, or what broke the streams off.
    static func read(from frames: inout LogFrames.AsyncIterator) async throws -> InitMessage {
        var scanner = MessageScanner(tag: "PADDOCK-READY", form: .message(limit: limit))
        var foreign: [UInt8] = []
        while let frame = try await frames.next() {
            let others = frame.stream == .stdout ? try scanner.scan(frame.bytes) : [frame.bytes]
            for bytes in others { foreign += bytes.prefix(foreignLimit - foreign.count) }
            if let message = scanner.found { return try InitMessage(base64: message) }
        }
        throw Missing(said: foreign)
    }

    /// - Returns: what was compared, and the cgroup where the sandbox cannot see its own.
    /// - Throws: ``PolicyNotHeld``, or what kept the host from being looked at.
    static func compare(
        _ report: InitMessage, with policy: SandboxPolicy, of containerID: String, on host: RunnerHost
    ) async throws -> (PolicyEvidence, HostCgroup?) {
        var report = report
        var seen: HostCgroup?
        switch policy.runtime.kernel {
        case .gvisor:
            seen = try await host.cgroup(of: containerID)
            report.add(seen?.limits() ?? [])
        case .host:
            // runc leaves this one out.
            let limit = report.cgroupFiles(version: 1)[HostCgroup.tcpLimit]
            if geteuid() == 0, let limit, limit != "\(policy.tcpMemoryBytes)" {
                try await host.cgroup(of: containerID)?.limitTCP(policy.tcpMemoryBytes)
            }
        }
        var verification = Verification(report, against: policy)
        do {
            try verification.check()
            return (verification.evidence, seen)
        } catch {
            throw PolicyNotHeld(mismatch: String(describing: error), evidence: verification.evidence)
        }
    }
}

/// A sandbox is not what its policy says.
struct PolicyNotHeld: Error, CustomStringConvertible {
    let mismatch: String
    let evidence: PolicyEvidence

    var description: String {
        "this host does not hold the sandbox's policy: \(mismatch). The agent was not started"
    }
}
