/// Reads Server-Sent Events from bytes, however they are cut.
///
/// Source: the HTML standard, §9.2.6. An event counts once the empty line behind it has come: one that broke off in the
/// middle never was.
struct SSEParser {
    struct Event: Equatable {
        /// The last id that was given.
        var id: String?
        var name = "message"
        var data = ""
    }

    struct TooLong: Error, CustomStringConvertible {
        let description = "the server sent an event that is too long"
    }

    /// Bytes of one event.
    private static let longest = 64 << 20

    private var line: [UInt8] = []
    private var data: [UInt8] = []
    private var hasData = false
    private var name = ""
    private var id: String?
    private var endedWithReturn = false
    private var isFirst = true

    mutating func feed(_ bytes: some Sequence<UInt8>, _ emit: (Event) throws -> Void) throws {
        for byte in bytes {
            let followsReturn = endedWithReturn
            endedWithReturn = false
            switch byte {
            case UInt8(ascii: "\n") where followsReturn: continue
            case UInt8(ascii: "\n"), UInt8(ascii: "\r"):
                endedWithReturn = byte == UInt8(ascii: "\r")
                try endLine(emit)
            default:
                line.append(byte)
                guard line.count + data.count <= Self.longest else { throw TooLong() }
            }
        }
    }

    private mutating func endLine(_ emit: (Event) throws -> Void) throws {
        defer { line.removeAll(keepingCapacity: true) }
        if isFirst {
            isFirst = false
            // A byte order mark.
            if line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
        }
        guard !line.isEmpty else { return try dispatch(emit) }
        let colon = line.firstIndex(of: UInt8(ascii: ":"))
        // A comment.
        if colon == 0 { return }
        let field = String(decoding: line[..<(colon ?? line.count)], as: UTF8.self)
        var value = colon.map { line[($0 + 1)...] } ?? []
        if value.first == UInt8(ascii: " ") { value = value.dropFirst() }
        switch field {
        case "data":
            if hasData { data.append(UInt8(ascii: "\n")) }
            data += value
            hasData = true
        case "event": name = String(decoding: value, as: UTF8.self)
        case "id" where !value.contains(0): id = String(decoding: value, as: UTF8.self)
        default: break
        }
    }

    private mutating func dispatch(_ emit: (Event) throws -> Void) throws {
        defer {
            data = []
            hasData = false
            name = ""
        }
        guard hasData else { return }
        try emit(
            Event(id: id, name: name.isEmpty ? "message" : name, data: String(decoding: data, as: UTF8.self)))
    }
}
