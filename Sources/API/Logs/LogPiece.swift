import Foundation
import NIOCore
import Runner

/// A part of a record that is text, or bytes that are none.
///
/// A record can end in the middle of a character. Then what is whole goes as text, and what is not as base64.
struct LogPiece {
    let bytes: ArraySlice<UInt8>
    let isText: Bool
    /// The offset behind it.
    let end: Int64
    private let stream: LogSource

    /// In order; together they are the record's bytes.
    static func pieces(of record: LogRecord) -> [LogPiece] {
        guard case .bytes(let bytes, _) = record.content, let stream = record.source else { return [] }
        if isUTF8(bytes[...]) { return [LogPiece(bytes: bytes[...], isText: true, end: record.end, stream: stream)] }
        // A character has at most four bytes: what of one is at either end is at most three.
        let head = bytes.prefix(3).prefix { $0 & 0xC0 == 0x80 }
        let rest = bytes.dropFirst(head.count)
        let middle = rest.dropLast(incompleteTail(of: rest))
        guard !middle.isEmpty, isUTF8(middle) else {
            return [LogPiece(bytes: bytes[...], isText: false, end: record.end, stream: stream)]
        }
        return [(head, false), (middle, true), (rest[middle.endIndex...], false)].filter { !$0.0.isEmpty }.map {
            LogPiece(bytes: $0.0, isText: $0.1, end: record.offset + Int64($0.0.endIndex), stream: stream)
        }
    }

    /// How many bytes at the end begin a character without ending it.
    private static func incompleteTail(of bytes: ArraySlice<UInt8>) -> Int {
        for count in 1...3 where bytes.count >= count {
            let byte = bytes[bytes.endIndex - count]
            if byte & 0xC0 == 0x80 { continue }
            let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
            return length > count ? count : 0
        }
        return 0
    }

    private static func isUTF8(_ bytes: ArraySlice<UInt8>) -> Bool { String(validating: bytes, as: UTF8.self) != nil }

    /// `"seq":7,"stream":"stdout","time":"…","text":"…"`.
    func writeMembers(_ record: LogRecord, to buffer: inout ByteBuffer) {
        buffer.writeString("\"seq\":\(record.sequence),\"stream\":\"\(stream.rawValue)\",\"time\":\"")
        record.time.writeRFC3339(to: &buffer)
        if isText {
            buffer.writeStaticString("\",\"text\":\"")
            Self.writeEscaped(bytes, to: &buffer)
        } else {
            buffer.writeStaticString("\",\"encoding\":\"base64\",\"data\":\"")
            buffer.writeString(Data(bytes).base64EncodedString())
        }
        buffer.writeStaticString("\"")
    }

    /// RFC 8259. In long runs: most bytes need no escaping.
    private static func writeEscaped(_ bytes: ArraySlice<UInt8>, to buffer: inout ByteBuffer) {
        var start = bytes.startIndex
        for index in bytes.indices {
            let byte = bytes[index]
            guard byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F else {
                continue
            }
            buffer.writeBytes(bytes[start..<index])
            start = index + 1
            switch byte {
            case UInt8(ascii: "\n"): buffer.writeStaticString("\\n")
            case UInt8(ascii: "\r"): buffer.writeStaticString("\\r")
            case UInt8(ascii: "\t"): buffer.writeStaticString("\\t")
            case UInt8(ascii: "\""): buffer.writeStaticString("\\\"")
            case UInt8(ascii: "\\"): buffer.writeStaticString("\\\\")
            default:
                buffer.writeString(byte < 0x10 ? "\\u000" : "\\u00")
                buffer.writeString(String(byte, radix: 16))
            }
        }
        buffer.writeBytes(bytes[start...])
    }
}

extension Date {
    /// As `rfc3339`, many times as fast: a log has a time in every record.
    fileprivate func writeRFC3339(to buffer: inout ByteBuffer) {
        let milliseconds = Int64((timeIntervalSince1970 * 1000).rounded())
        let (day, rest) = (Int(milliseconds / 86_400_000), Int(milliseconds % 86_400_000))
        // Days to a date: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". A log is from after 1970.
        let shifted = day + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        let month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        func write(_ number: Int, _ digits: Int, _ end: UInt8) {
            var divisor = digits == 4 ? 1000 : digits == 3 ? 100 : 10
            while divisor > 0 {
                buffer.writeInteger(UInt8(ascii: "0") + UInt8(number / divisor % 10))
                divisor /= 10
            }
            buffer.writeInteger(end)
        }
        write(year, 4, UInt8(ascii: "-"))
        write(month, 2, UInt8(ascii: "-"))
        write(dayOfYear - (153 * monthIndex + 2) / 5 + 1, 2, UInt8(ascii: "T"))
        write(rest / 3_600_000, 2, UInt8(ascii: ":"))
        write(rest / 60_000 % 60, 2, UInt8(ascii: ":"))
        write(rest / 1000 % 60, 2, UInt8(ascii: "."))
        write(rest % 1000, 3, UInt8(ascii: "Z"))
    }
}
