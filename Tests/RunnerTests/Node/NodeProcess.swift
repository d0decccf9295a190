import Foundation
import Glibc
import NIOConcurrencyHelpers
import Testing

/// A `NodeProgram` that a test has started.
final class NodeProcess: Sendable {
    private let process: Process
    /// What it has logged.
    let log: URL

    var id: pid_t { process.processIdentifier }
    /// After ``end()``: the exit code, or the number of the signal.
    var status: Int32 { ended.withLockedValue { $0 } ?? -1 }
    private let ended = NIOLockedValueBox<Int32?>(nil)

    init(_ arguments: [String], _ environment: [String: String]) throws {
        log = URL(filePath: "/tmp/paddock-node-\(UInt64.random(in: 0...UInt64.max)).log")
        try Data().write(to: log)
        process = Process()
        process.executableURL = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appending(path: "NodeProgram")
        process.arguments = arguments
        process.environment = environment
        process.standardOutput = FileHandle.nullDevice
        process.standardError = try FileHandle(forWritingTo: log)
        try process.run()
    }

    deinit { try? FileManager.default.removeItem(at: log) }

    func signal(_ number: Int32) { if process.isRunning { _ = kill(id, number) } }

    /// Longest that a node may take to end, on a machine that is very busy.
    private static let limit: Duration = .seconds(120)

    /// Waits until it has ended.
    func end() async {
        let deadline = ContinuousClock.now + Self.limit
        while ended.withLockedValue({ $0 }) == nil {
            ended.withLockedValue { $0 = exitStatus }
            if .now > deadline {
                let said = (try? String(contentsOf: log, encoding: .utf8)) ?? ""
                Issue.record("node \(id) did not end within \(Self.limit); it said last: \(said.suffix(2000))")
                _ = kill(id, SIGKILL)
                return
            }
            try? await Task.sleep(for: .milliseconds(10))
        }
    }

    /// nil while it runs. Read from the kernel: Foundation does not always notice the end of one of many processes.
    private var exitStatus: Int32? {
        guard process.isRunning else { return process.terminationStatus }
        // proc(5): behind the name in parentheses the state is the first field, and the wait status the last.
        guard let line = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8),
            let fields = line.split(separator: ")").last?.split(whereSeparator: \.isWhitespace),
            fields.first == "Z", let status = fields.last.flatMap({ Int32($0) })
        else { return nil }
        return status & 0x7F == 0 ? status >> 8 & 0xFF : status & 0x7F
    }

    /// Kills it as a crash would, and waits until it has gone.
    func kill9() async {
        signal(SIGKILL)
        await end()
    }

    /// Stops it, and waits until it has gone.
    func stop() async {
        signal(SIGTERM)
        await end()
    }
}

/// The nodes of a fixture.
struct NodeProcesses: Sendable {
    private let all = NIOLockedValueBox<[NodeProcess]>([])

    func start(_ arguments: [String], _ environment: [String: String]) throws -> NodeProcess {
        let process = try NodeProcess(arguments, environment)
        all.withLockedValue { $0.append(process) }
        return process
    }

    func killAll() async {
        for process in all.withLockedValue({ $0 }) { await process.kill9() }
    }
}
