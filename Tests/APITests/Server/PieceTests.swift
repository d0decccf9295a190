import DockerAPI
import Foundation
import NIOCore
import Runner
import Testing

@testable import API

@Suite("Pieces of records")
struct PieceTests {
    private func pieces(_ bytes: [UInt8]) -> [(text: Bool, count: Int, end: Int64)] {
        let record = LogRecord(offset: 100, sequence: 1, time: Date(), content: .bytes(bytes, .stdout))
        return LogPiece.pieces(of: record).map { ($0.isText, $0.bytes.count, $0.end) }
    }

    @Test("are one where the record is text, or nothing of it is")
    func one() {
        #expect(pieces(Array("héllo".utf8)).map(\.text) == [true])
        #expect(pieces([0xFF, 0xFE, 0x41]).map(\.text) == [false])
        #expect(pieces([0x80, 0x80]).map(\.text) == [false])
    }

    @Test("keep a character that was cut apart from the text")
    func cut() {
        let euro = Array("€".utf8)
        let cut = Array(euro[1...]) + Array("abc".utf8) + Array(euro[..<2])
        let found = pieces(cut)
        #expect(found.map(\.text) == [false, true, false])
        #expect(found.map(\.count) == [2, 3, 2])
        #expect(found.map(\.end) == [102, 105, 107])
    }

    @Test("are written as JSON that any reader takes")
    func json() throws {
        let text = "a\"b\\c\n\u{1}\u{1b}[0m\u{7f}é"
        let record = LogRecord(
            offset: 0, sequence: 9, time: Date(timeIntervalSince1970: 1_767_225_599.987),
            content: .bytes(Array(text.utf8), .stderr))
        var buffer = ByteBuffer()
        NDJSONLogFormat().write(record, to: &buffer)
        let object = try JSONSerialization.jsonObject(with: Data(buffer.readableBytesView)) as? [String: Any]
        #expect(object?["text"] as? String == text)
        #expect(object?["time"] as? String == "2025-12-31T23:59:59.987Z")
        #expect(object?["stream"] as? String == "stderr")
        #expect(object?["cursor"] as? Int == text.utf8.count)
    }
}
