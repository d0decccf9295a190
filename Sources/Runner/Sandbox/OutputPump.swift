import DockerAPI
import Entitlements

/// Reads what a sandbox writes: takes the init's messages out, counts and caps the rest, and passes it on.
struct OutputPump {
    /// What the init said, and what became of the streams.
    enum Event: Sendable {
        case report(InitMessage)
        case trailer(Trailer)
        /// Everything the agent wrote has been read.
        case complete
        /// The reader of the log has gone.
        case readerGone
    }

    /// A report holds three files of /proc; see docs/sandbox-init.md.
    private static let reportLimit = 256 << 10
    private static let startOutputLimit = 4096

    private let sink: any LogSink
    private let emit: @Sendable (Event) -> Void
    private var ready = MessageScanner(tag: "PADDOCK-READY", form: .message(limit: reportLimit))
    private var stdout: MessageScanner
    private var stderr: MessageScanner
    /// What was written, and what of it was left out.
    private(set) var limiter: LogLimiter
    private var readerIsGone = false
    /// What was written before the report: the runtime's or the init's own complaint.
    private var startOutput: [UInt8] = []

    /// - Parameter nonce: the frame's; it marks the trailer.
    init(nonce: String, limits: Limits, sink: any LogSink, emit: @escaping @Sendable (Event) -> Void) {
        self.sink = sink
        self.emit = emit
        // Base64 of the output and of the few lines before it, with its line feeds.
        let trailerLimit = (limits.outputKiB * 1024 + 4096) * 3 / 2
        stdout = MessageScanner(tag: nonce, form: .message(limit: trailerLimit))
        stderr = MessageScanner(tag: nonce, form: .markOnly)
        limiter = LogLimiter(limit: Int64(limits.logMiB) << 20)
    }

    /// Reads to the end of both streams.
    /// - Returns: what broke off; nil when everything has come.
    mutating func run(_ output: LogFrames) async -> String? {
        do {
            for try await frame in output { try await take(frame) }
            await pass(stdout.flush(), .stdout)
            await pass(stderr.flush(), .stderr)
            return isComplete ? nil : endMessage
        } catch {
            return String(describing: error)
        }
    }

    private var isComplete: Bool { stdout.found != nil && stderr.found != nil }

    private var endMessage: String {
        let said = String(decoding: startOutput, as: UTF8.self).split(separator: "\n").joined(separator: "; ")
        return said.isEmpty
            ? "the sandbox ended without a result: it was killed, or the Engine stopped"
            : "the sandbox ended without a result, saying: \(said)"
    }

    private mutating func take(_ frame: LogFrame) async throws {
        guard ready.found != nil else { return try takeBeforeLaunch(frame) }
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

    private mutating func takeBeforeLaunch(_ frame: LogFrame) throws {
        let foreign = frame.stream == .stdout ? try ready.scan(frame.bytes) : [frame.bytes]
        for bytes in foreign { startOutput += bytes.prefix(Self.startOutputLimit - startOutput.count) }
        if let message = ready.found { emit(.report(try InitMessage(base64: message))) }
    }

    private mutating func pass(_ bytes: ArraySlice<UInt8>, _ stream: LogStream) async {
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
