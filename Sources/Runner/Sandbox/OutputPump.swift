import DockerAPI
import Entitlements

/// Reads what a sandbox writes after its report: takes the trailer out, counts and caps the rest, and
/// passes it on.
struct OutputPump {
    /// What the init said, and what became of the streams.
    enum Event: Sendable {
        case trailer(Trailer)
        /// Everything the agent wrote has been read.
        case complete
        /// The reader of the log has gone.
        case readerGone
    }

    private let sink: any LogSink
    private let emit: @Sendable (Event) -> Void
    private var stdout: MessageScanner
    private var stderr: MessageScanner
    /// What was written, and what of it was left out.
    private(set) var limiter: LogLimiter
    private var readerIsGone = false
    private let trace: StageTrace
    private var hasFirstByte = false

    /// - Parameter nonce: the frame's; it marks the trailer.
    init(
        nonce: String, limits: Limits, sink: any LogSink, trace: StageTrace, emit: @escaping @Sendable (Event) -> Void
    ) {
        self.sink = sink
        self.trace = trace
        self.emit = emit
        // Base64 of the output and of the few lines before it, with its line feeds.
        let trailerLimit = (limits.outputKiB * 1024 + 4096) * 3 / 2
        stdout = MessageScanner(tag: nonce, form: .message(limit: trailerLimit))
        stderr = MessageScanner(tag: nonce, form: .markOnly)
        limiter = LogLimiter(limit: Int64(limits.logMiB) << 20)
    }

    /// Reads to the end of both streams.
    /// - Returns: what broke off; nil when everything has come.
    mutating func run(_ frames: LogFrames.AsyncIterator) async -> String? {
        var frames = frames
        do {
            while let frame = try await frames.next() { try await take(frame) }
            await pass(stdout.flush(), .stdout)
            await pass(stderr.flush(), .stderr)
            return isComplete ? nil : "the sandbox ended without a result: it was killed, or the Engine stopped"
        } catch {
            return String(describing: error)
        }
    }

    private var isComplete: Bool { stdout.found != nil && stderr.found != nil }

    private mutating func take(_ frame: LogFrame) async throws {
        guard !isComplete else { return }
        switch frame.stream {
        case .stdout:
            for bytes in try stdout.scan(frame.bytes) { await pass(bytes, .stdout) }
            if let message = stdout.found, !hasTrailer {
                hasTrailer = true
                emit(.trailer(try Trailer(InitMessage(base64: message))))
            }
        case .stderr:
            for bytes in try stderr.scan(frame.bytes) { await pass(bytes, .stderr) }
        }
        if isComplete { emit(.complete) }
    }

    private var hasTrailer = false

    private mutating func pass(_ bytes: ArraySlice<UInt8>, _ stream: LogStream) async {
        if !hasFirstByte, !bytes.isEmpty {
            hasFirstByte = true
            trace.mark(.firstByte)
        }
        let kept = limiter.admit(bytes)
        guard !kept.isEmpty, !readerIsGone else { return }
        do {
            try await sink.write(kept, to: stream)
        } catch {
            readerIsGone = true
            emit(.readerGone)
        }
    }
}
