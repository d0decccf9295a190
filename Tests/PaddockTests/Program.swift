import Foundation
import NIOConcurrencyHelpers

/// A program that a test starts, watches and signals.
final class Program: Sendable {
    struct TimedOut: Error {
        let waitingFor: String
        let stdout: String
        let stderr: String
    }

    /// Longest wait for anything: no test depends on how fast this machine is.
    static let deadline: Duration = .seconds(120)

    private struct State {
        var stdout = Data()
        var stderr = Data()
        var exitCode: Int32?
        var openStreams = 0
    }

    private let state = NIOLockedValueBox(State())
    /// Held while pipes are made and handed on: another child that got one would hold it open.
    private static let spawning = NIOLock()
    let processID: pid_t

    /// The `paddock` that was built beside the tests.
    static let paddock = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        .deletingLastPathComponent().appending(path: "paddock").path()

    /// The folder that holds Package.swift.
    static let packageFolder = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path()

    /// Starts `paddock` with these arguments.
    static func paddock(
        _ arguments: [String], input: Data? = nil, environment: [String: String] = [:], stdout: FileHandle? = nil
    ) throws -> Program {
        try Program(paddock, arguments, input: input, environment: environment, stdout: stdout)
    }

    /// - Parameters:
    ///   - environment: in addition to the test's own.
    ///   - stdout: where it goes instead of ``stdout``.
    init(
        _ path: String, _ arguments: [String], input: Data? = nil, environment: [String: String] = [:],
        stdout: FileHandle? = nil
    ) throws {
        // A program that does not read its input must not end the tests.
        Foundation.signal(SIGPIPE, SIG_IGN)
        let (out, err, stdin, pid) = try Self.spawning.withLock {
            let out = stdout == nil ? try Self.makePipe() : nil
            let err = try Self.makePipe()
            let stdin = input == nil ? nil : try Self.makePipe()
            let null = open("/dev/null", O_RDONLY | O_CLOEXEC)
            let full = ProcessInfo.processInfo.environment.merging(environment) { $1 }
            let pid = try Self.spawn(
                [path] + arguments, full.map { "\($0)=\($1)" },
                [stdin?.reading ?? null, stdout?.fileDescriptor ?? out?.writing ?? -1, err.writing])
            for descriptor in [stdin?.reading, out?.writing, err.writing, null] { descriptor.map { _ = close($0) } }
            return (out, err, stdin, pid)
        }
        processID = pid
        if let out { collect(out.reading) { $0.stdout.append($1) } }
        collect(err.reading) { $0.stderr.append($1) }
        reap()
        if let input, let stdin {
            Thread.detachNewThread {
                let handle = FileHandle(fileDescriptor: stdin.writing, closeOnDealloc: true)
                try? handle.write(contentsOf: input)
                try? handle.close()
            }
        }
    }

    private static func makePipe() throws -> (reading: CInt, writing: CInt) {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { throw POSIXError(.EMFILE) }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    /// posix_spawn_file_actions_addclosefrom_np, which glibc's header shows only to those that ask for GNU's additions.
    private static let closeFrom = unsafeBitCast(
        dlsym(nil, "posix_spawn_file_actions_addclosefrom_np"),
        to: (@convention(c) (UnsafeMutablePointer<posix_spawn_file_actions_t>, CInt) -> CInt).self)

    private static func spawn(_ arguments: [String], _ environment: [String], _ streams: [CInt]) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (target, source) in streams.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, source, CInt(target))
        }
        // Connections of other tests end when those close them, however long this program lives.
        _ = closeFrom(&actions, 3)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var signals = sigset_t()
        sigfillset(&signals)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        var argv: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        var envp: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var pid = pid_t()
        guard posix_spawn(&pid, arguments[0], &actions, &attributes, &argv, &envp) == 0 else {
            throw POSIXError(.ENOENT)
        }
        return pid
    }

    private func collect(_ descriptor: CInt, _ append: @escaping @Sendable (inout State, Data) -> Void) {
        state.withLockedValue { $0.openStreams += 1 }
        Thread.detachNewThread { [state] in
            var buffer = [UInt8](repeating: 0, count: 1 << 16)
            while true {
                let count = read(descriptor, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { break }
                let data = Data(buffer[..<count])
                state.withLockedValue { append(&$0, data) }
            }
            close(descriptor)
            state.withLockedValue { $0.openStreams -= 1 }
        }
    }

    private func reap() {
        Thread.detachNewThread { [state, processID] in
            var status: CInt = 0
            while waitpid(processID, &status, 0) < 0, errno == EINTR {}
            // wait(2): the low seven bits are the signal, the next byte the exit code.
            let code = status & 0x7F == 0 ? status >> 8 & 0xFF : -(status & 0x7F)
            state.withLockedValue { $0.exitCode = code }
        }
    }

    /// A test that fails must not leave its program running.
    deinit { if isRunning { kill(processID, SIGKILL) } }

    var stdoutData: Data { state.withLockedValue { $0.stdout } }
    var stdout: String { String(decoding: stdoutData, as: UTF8.self) }
    var stderrData: Data { state.withLockedValue { $0.stderr } }
    var stderr: String { String(decoding: stderrData, as: UTF8.self) }
    var isRunning: Bool { state.withLockedValue { $0.exitCode == nil } }

    func signal(_ number: Int32) { kill(processID, number) }

    /// Waits until the condition holds.
    func wait(
        for what: String, deadline: Duration = Program.deadline, until condition: () -> Bool
    ) async throws {
        let start = ContinuousClock.now
        while !condition() {
            guard start.duration(to: .now) < deadline else {
                throw TimedOut(waitingFor: what, stdout: String(stdout.prefix(2000)), stderr: stderr)
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// Waits for the end and for all it wrote.
    /// - Returns: the exit code; minus the signal's number when a signal ended it.
    @discardableResult
    func exitCode(deadline: Duration = Program.deadline) async throws -> Int32 {
        try await wait(for: "the end", deadline: deadline) {
            state.withLockedValue { $0.exitCode != nil && $0.openStreams == 0 }
        }
        return state.withLockedValue { $0.exitCode ?? 0 }
    }

    /// Runs a program to its end and returns what it printed.
    static func output(_ path: String, _ arguments: [String]) async throws -> String {
        let program = try Program(path, arguments)
        try await program.exitCode()
        return program.stdout
    }
}
