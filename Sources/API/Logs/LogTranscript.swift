import Hummingbird
import NIOCore
import Runner
import Storage

/// Writes one execution's log to one client.
struct LogTranscript: Sendable {
    /// What is written at once, about.
    private static let chunk = 64 << 10

    let id: String
    let format: any LogFormat
    /// nil for both.
    let stream: LogSource?
    let selection: ExecutionLog.Selection

    /// - Parameter status: of the execution, as it was when the request came.
    func write(_ log: ExecutionLog, _ inbox: LogInbox, status: String, to writer: BodySink) async throws {
        var cursor = selection.offset
        var buffer = ByteBuffer()
        if selection.follows {
            format.write(status: status, of: id, cursor: cursor, to: &buffer)
            if buffer.readableBytes > 0 { try await writer.write(buffer) }
        }
        try await log.read(selection, inbox) { item in
            // What a catch-up needed is given back.
            buffer = ByteBuffer()
            switch item {
            case .records(let records):
                for record in records {
                    cursor = record.end
                    if let stream, let source = record.source, source != stream { continue }
                    format.write(record, to: &buffer)
                    guard buffer.readableBytes >= Self.chunk else { continue }
                    try await writer.write(buffer)
                    buffer = ByteBuffer()
                }
            case .changed(let stored):
                format.write(status: stored.state.rawValue, of: id, cursor: cursor, to: &buffer)
            case .tick: format.writeHeartbeat(to: &buffer)
            case .end(let stored):
                format.write(end: try ExecutionDocument(stored).bytes, cursor: cursor, to: &buffer)
            }
            if buffer.readableBytes > 0 { try await writer.write(buffer) }
        }
    }
}

/// Where a streamed answer goes.
final class BodySink: @unchecked Sendable {
    // Unchecked: it is used by the one task that streams, wherever that runs.
    private var writer: any ResponseBodyWriter

    init(_ writer: any ResponseBodyWriter) { self.writer = writer }

    @concurrent
    func write(_ buffer: ByteBuffer) async throws { try await writer.write(buffer) }
}
