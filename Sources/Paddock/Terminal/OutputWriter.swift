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
    /// The reader of our stdout or stderr has gone.
    struct ReaderGone: Error {}

    private struct State {
        var waiting: [(descriptor: CInt, bytes: ArraySlice<UInt8>)] = []
        var waitingBytes = 0
        var isWriting = false
        var isBounded = true
        var isBroken = false
        /// The one writer, held back until there is room.
        var heldBack: CheckedContinuation<Void, Never>?
        var flushers: [CheckedContinuation<Void, Never>] = []
    }

    /// Bytes that may wait for our reader before the agent has to.
    private static let highWatermark = 256 << 10

    private let state = NIOLockedValueBox(State())
    private let queue = DispatchQueue(label: "output")
    private let descriptors: [LogStream: CInt]

    /// - Parameter descriptors: where each stream goes; what is absent is dropped.
    init(descriptors: [LogStream: CInt]) { self.descriptors = descriptors }

    func write(_ bytes: ArraySlice<UInt8>, to stream: LogStream) async throws {
        guard let descriptor = descriptors[stream] else { return }
        try enqueue(bytes, descriptor)
        await withCheckedContinuation { continuation in
            let goesOn = state.withLockedValue { state in
                guard state.isBounded, !state.isBroken, state.waitingBytes > Self.highWatermark else { return true }
                state.heldBack = continuation
                return false
            }
            if goesOn { continuation.resume() }
        }
    }

    func executionIsStopping() {
        let heldBack = state.withLockedValue { state in
            state.isBounded = false
            defer { state.heldBack = nil }
            return state.heldBack
        }
        heldBack?.resume()
    }

    /// Returns when everything has been written, or nobody reads any more.
    func flush() async {
        await withCheckedContinuation { continuation in
            let isDone = state.withLockedValue { state in
                if !state.isWriting { return true }
                state.flushers.append(continuation)
                return false
            }
            if isDone { continuation.resume() }
        }
    }

    private func enqueue(_ bytes: ArraySlice<UInt8>, _ descriptor: CInt) throws {
        let startsWriting = try state.withLockedValue { state in
            if state.isBroken { throw ReaderGone() }
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
            for part in batch where !Self.writeAll(part.bytes, part.descriptor) {
                state.withLockedValue { $0.isBroken = true }
            }
            let heldBack = state.withLockedValue { state in
                state.waitingBytes -= batch.reduce(0) { $0 + $1.bytes.count }
                defer { state.heldBack = nil }
                return state.heldBack
            }
            heldBack?.resume()
        }
    }

    private static func writeAll(_ bytes: ArraySlice<UInt8>, _ descriptor: CInt) -> Bool {
        var rest = bytes
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                guard errno == EINTR || errno == EAGAIN else { return false }
                Console.waitForRoom(descriptor)
                continue
            }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
