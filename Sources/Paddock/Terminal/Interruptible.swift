import ArgumentParser
import Dispatch
import Glibc
import NIOConcurrencyHelpers

/// The work of a command that a signal ends early.
enum Interruptible {
    /// Runs the work. The first signal cancels its task, so that it removes what it has made; the second leaves at once.
    /// - Parameter quiet: whether to say nothing when it is canceled.
    /// - Throws: `ExitCode` 128 + N if signal N came, whatever became of the work; else what the work threw.
    static func run(quiet: Bool, _ work: @escaping @Sendable () async throws -> Void) async throws {
        let task = Task { try await work() }
        let first = NIOLockedValueBox<Int32?>(nil)
        let interrupts = Interrupts { signal, nth in
            // What is left behind is removed by the next run.
            if nth > 1 { _exit(128 + signal) }
            first.withLockedValue { $0 = signal }
            task.cancel()
            // Apart from here: a stderr that is full must not hold up the next signal.
            if !quiet { DispatchQueue.global().async { Console.error("canceling; once more to leave at once") } }
        }
        let result = await task.result
        withExtendedLifetime(interrupts) {}
        if let signal = first.withLockedValue({ $0 }) { throw ExitCode(128 + signal) }
        try result.get()
    }
}
