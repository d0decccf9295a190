import Foundation
import NIOCore
import Runner

/// How a log is written to a client: one of three forms of the same items.
protocol LogFormat: Sendable {
    var contentType: String { get }
    /// Whether a reader can tell the log's end from that of the answer.
    var tellsItsEnd: Bool { get }

    /// - Parameter cursor: the offset behind the record.
    func write(_ record: LogRecord, to buffer: inout ByteBuffer)

    /// - Parameters:
    ///   - status: by the contract's name.
    ///   - cursor: where the log was read to.
    func write(status: String, of id: String, cursor: Int64, to buffer: inout ByteBuffer)

    /// - Parameter document: the finished execution, a JSON object.
    func write(end document: [UInt8], cursor: Int64, to buffer: inout ByteBuffer)

    /// So that whoever is between does not think that nobody is there.
    func writeHeartbeat(to buffer: inout ByteBuffer)
}

/// `text/plain`: the bytes as they were written. What is missing is said in a line of ours.
struct TextLogFormat: LogFormat {
    let contentType = "text/plain; charset=utf-8"
    let tellsItsEnd = false

    func write(_ record: LogRecord, to buffer: inout ByteBuffer) {
        switch record.content {
        case .bytes(let bytes, _): buffer.writeBytes(bytes)
        case .truncated(let count):
            buffer.writeString("[paddock: \(count) bytes past the log's limit were left out]\n")
        case .gap(let count): buffer.writeString("[paddock: \(count) bytes of the log are not kept any more]\n")
        }
    }

    func write(status: String, of id: String, cursor: Int64, to buffer: inout ByteBuffer) {}
    func write(end document: [UInt8], cursor: Int64, to buffer: inout ByteBuffer) {}
    func writeHeartbeat(to buffer: inout ByteBuffer) {}
}

/// `application/x-ndjson`: one JSON document a line.
struct NDJSONLogFormat: LogFormat {
    let contentType = "application/x-ndjson"
    let tellsItsEnd = true

    func write(_ record: LogRecord, to buffer: inout ByteBuffer) {
        switch record.content {
        case .bytes:
            for piece in LogPiece.pieces(of: record) {
                begin("log", cursor: piece.end, &buffer)
                buffer.writeStaticString(",")
                piece.writeMembers(record, to: &buffer)
                buffer.writeStaticString("}\n")
            }
        case .truncated(let count):
            begin("truncated", cursor: record.end, &buffer)
            buffer.writeString(",\"droppedBytes\":\(count)}\n")
        case .gap(let count):
            begin("gap", cursor: record.end, &buffer)
            buffer.writeString(",\"missingBytes\":\(count)}\n")
        }
    }

    private func begin(_ event: StaticString, cursor: Int64, _ buffer: inout ByteBuffer) {
        buffer.writeStaticString("{\"event\":\"")
        buffer.writeStaticString(event)
        buffer.writeString("\",\"cursor\":\(cursor)")
    }

    func write(status: String, of id: String, cursor: Int64, to buffer: inout ByteBuffer) {
        begin("status", cursor: cursor, &buffer)
        buffer.writeString(",\"id\":\"\(id)\",\"status\":\"\(status)\"}\n")
    }

    func write(end document: [UInt8], cursor: Int64, to buffer: inout ByteBuffer) {
        begin("end", cursor: cursor, &buffer)
        buffer.writeStaticString(",\"execution\":")
        buffer.writeBytes(document)
        buffer.writeStaticString("}\n")
    }

    func writeHeartbeat(to buffer: inout ByteBuffer) {}
}

/// `text/event-stream`: Server-Sent Events; the HTML standard, §9.2. No document has a line break in it.
struct EventLogFormat: LogFormat {
    let contentType = "text/event-stream; charset=utf-8"
    let tellsItsEnd = true

    func write(_ record: LogRecord, to buffer: inout ByteBuffer) {
        switch record.content {
        case .bytes:
            for piece in LogPiece.pieces(of: record) {
                begin("log", cursor: piece.end, &buffer)
                buffer.writeStaticString("{")
                piece.writeMembers(record, to: &buffer)
                buffer.writeStaticString("}\n\n")
            }
        case .truncated(let count):
            begin("truncated", cursor: record.end, &buffer)
            buffer.writeString("{\"droppedBytes\":\(count)}\n\n")
        case .gap(let count):
            begin("gap", cursor: record.end, &buffer)
            buffer.writeString("{\"missingBytes\":\(count)}\n\n")
        }
    }

    private func begin(_ event: StaticString, cursor: Int64, _ buffer: inout ByteBuffer) {
        buffer.writeString("id: \(cursor)\nevent: ")
        buffer.writeStaticString(event)
        buffer.writeStaticString("\ndata: ")
    }

    func write(status: String, of id: String, cursor: Int64, to buffer: inout ByteBuffer) {
        begin("status", cursor: cursor, &buffer)
        buffer.writeString("{\"id\":\"\(id)\",\"status\":\"\(status)\"}\n\n")
    }

    func write(end document: [UInt8], cursor: Int64, to buffer: inout ByteBuffer) {
        begin("end", cursor: cursor, &buffer)
        buffer.writeBytes(document)
        buffer.writeStaticString("\n\n")
    }

    func writeHeartbeat(to buffer: inout ByteBuffer) { buffer.writeStaticString(": still here\n\n") }
}
