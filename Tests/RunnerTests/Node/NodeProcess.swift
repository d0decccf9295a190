import Foundation
import Glibc
import NIOConcurrencyHelpers

/// A `NodeProgram` that a test has started.
final class NodeProcess: Sendable {
    private let process: Process
    /// What it has logged.
    let log: URL

    var id: pid_t { process.processIdentifier }
    /// After ``end()``: the exit code, or the number of the signal.
    var status: Int32 { process.terminationStatus }

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

    /// Waits until it has ended.
    func end() async {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { [process] in
                process.waitUntilExit()
                continuation.resume()
            }
        }
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
