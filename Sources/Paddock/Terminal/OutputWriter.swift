import Dispatch
import DockerAPI
import Glibc
import NIOConcurrencyHelpers
import Runner

/// The agent's stdout and stderr on ours, byte for byte and in order.
///
/// Writing to a pipe can block for ever, so it happens on a queue of its own. A slow reader makes the agent wait;
/// once the execution is being ended, what is left is kept in memory instead.
final class OutputWriter: LogSink {
    /// Our stdout or stderr cannot be written any more.
    struct Broken: Error, CustomStringConvertible {
        let descriptor: CInt
        let errno: CInt

        /// The reader of a pipe has gone: no failure, but a wish to end.
        var isClosedPipe: Bool { errno == EPIPE }

        var description: String {
            let name = descriptor == STDOUT_FILENO ? "stdout" : "stderr"
            return isClosedPipe ? "nobody reads its output any more" : "\(name): \(String(cString: strerror(errno)))"
        }
    }

    private struct State {
        var waiting: [(descriptor: CInt, bytes: ArraySlice<UInt8>)] = []
        var waitingBytes = 0
        var isWriting = false
        var isBounded = true
        var broken: Broken?
        /// The one writer, held back until there is room.
        var heldBack: CheckedContinuation<Void, Never>?
        var flushers: [CheckedContinuation<Void, Never>] = []
    }

    /// Bytes that may wait for our reader before the agent has to.
    private static let highWatermark = 256 << 10

    private let state = NIOLockedValueBox(State())
    private let queue = DispatchQueue(label: "output")
    private let descriptors: [LogStream: CInt]

    private let onBroken: @Sendable (Broken) -> Void

    /// - Parameters:
    ///   - descriptors: where each stream goes; what is absent is dropped.
    ///   - onBroken: called once, at the first write that fails.
    init(descriptors: [LogStream: CInt], onBroken: @escaping @Sendable (Broken) -> Void) {
        self.descriptors = descriptors
        self.onBroken = onBroken
    }

    func write(_ bytes: ArraySlice<UInt8>, to stream: LogStream) async throws {
        guard let descriptor = descriptors[stream] else { return }
        try enqueue(bytes, descriptor)
        await withCheckedContinuation { continuation in
            let goesOn = state.withLockedValue { state in
                guard state.isBounded, state.broken == nil, state.waitingBytes > Self.highWatermark else { return true }
                state.heldBack = continuation
                return false
            }
            if goesOn { continuation.resume() }
        }
    }

    func executionIsEnding() {
        let heldBack = state.withLockedValue { state in
            state.isBounded = false
            defer { state.heldBack = nil }
            return state.heldBack
        }
        heldBack?.resume()
    }

    /// Returns when everything has been written, or cannot be.
    /// - Returns: what went wrong, if anything did.
    func flush() async -> Broken? {
        await withCheckedContinuation { continuation in
            let isDone = state.withLockedValue { state in
                if !state.isWriting { return true }
                state.flushers.append(continuation)
                return false
            }
            if isDone { continuation.resume() }
        }
        return state.withLockedValue { $0.broken }
    }

    private func write(_ bytes: ArraySlice<UInt8>, _ descriptor: CInt) {
        guard let errno = StandardStreams.write(bytes, to: descriptor) else { return }
        let broken = Broken(descriptor: descriptor, errno: errno)
        let isFirst = state.withLockedValue { state in
            defer { state.broken = state.broken ?? broken }
            return state.broken == nil
        }
        if isFirst { onBroken(broken) }
    }

    private func enqueue(_ bytes: ArraySlice<UInt8>, _ descriptor: CInt) throws {
        let startsWriting = try state.withLockedValue { state in
            if let broken = state.broken { throw broken }
            state.waiting.append((descriptor, bytes))
            state.waitingBytes += bytes.count
            defer { state.isWriting = true }
            return !state.isWriting
        }
        if startsWriting { queue.async { self.drain() } }
    }

    /// Runs on the queue until nothing waits.
    private func drain() {
        while true {
            let (batch, flushers) = state.withLockedValue { state in
                let batch = state.waiting
                state.waiting = []
                guard batch.isEmpty else { return (batch, [CheckedContinuation<Void, Never>]()) }
                state.isWriting = false
                defer { state.flushers = [] }
                return (batch, state.flushers)
            }
            if batch.isEmpty {
                for flusher in flushers { flusher.resume() }
                return
            }
            for part in batch { write(part.bytes, part.descriptor) }
            let heldBack = state.withLockedValue { state in
                state.waitingBytes -= batch.reduce(0) { $0 + $1.bytes.count }
                defer { state.heldBack = nil }
                return state.heldBack
            }
            heldBack?.resume()
        }
    }
}
