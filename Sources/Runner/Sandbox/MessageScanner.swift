import Glibc

/// Takes a message of the init out of a stream of the agent's bytes, wherever the chunks are cut.
///
/// Only bytes that may begin the mark are held back, and the mark begins with a byte that hardly any log holds, so a
/// line is handed on as soon as it is there.
struct MessageScanner {
    /// What follows the mark.
    enum Form {
        /// `:`, base64, `.` and a line feed.
        case message(limit: Int)
        /// Nothing: the mark is all.
        case markOnly
    }

    private enum State {
        /// Can transition to: inMessage, found.
        case passing(held: [UInt8])
        /// Can transition to: found.
        case inMessage(ended: Bool)
        case found
    }

    struct TooLong: Error, CustomStringConvertible {
        let description = "the init's message has no end"
    }

    static let recordSeparator: UInt8 = 0x1E

    private let mark: [UInt8]
    private let form: Form
    private var state = State.passing(held: [])
    private var message: [UInt8] = []

    /// - Parameter tag: what follows the record separator: a fixed word, or the nonce.
    init(tag: String, form: Form) {
        switch form {
        case .message: mark = [Self.recordSeparator] + Array(tag.utf8) + [UInt8(ascii: ":")]
        case .markOnly: mark = [Self.recordSeparator] + Array(tag.utf8)
        }
        self.form = form
    }

    /// The message's base64, once it is whole; empty for a mere mark.
    var found: [UInt8]? {
        if case .found = state { message } else { nil }
    }

    /// Takes a chunk and returns what of it, and of what was held back, is the agent's.
    mutating func scan(_ chunk: ArraySlice<UInt8>) throws -> [ArraySlice<UInt8>] {
        switch state {
        case .found: return []
        case .inMessage(ended: true):
            if !chunk.isEmpty { state = .found }
            return []
        case .inMessage(ended: false):
            try collect(chunk)
            return []
        case .passing(let held):
            return try pass(held.isEmpty ? chunk : held + chunk)
        }
    }

    /// What was held back, when the stream ends without the mark.
    mutating func flush() -> ArraySlice<UInt8> {
        guard case .passing(let held) = state else { return [] }
        state = .passing(held: [])
        return held[...]
    }

    private mutating func pass(_ bytes: ArraySlice<UInt8>) throws -> [ArraySlice<UInt8>] {
        var from = bytes.startIndex
        while let start = bytes[from...].fastIndex(of: Self.recordSeparator) {
            let candidate = bytes[start...].prefix(mark.count)
            if candidate.elementsEqual(mark.prefix(candidate.count)) {
                if candidate.count == mark.count {
                    try collect(bytes[(start + mark.count)...])
                } else {
                    state = .passing(held: Array(candidate))
                }
                return start > bytes.startIndex ? [bytes[..<start]] : []
            }
            from = start + 1
        }
        state = .passing(held: [])
        return bytes.isEmpty ? [] : [bytes]
    }

    private mutating func collect(_ chunk: ArraySlice<UInt8>) throws {
        guard case .message(let limit) = form else {
            state = .found
            return
        }
        let end = chunk.fastIndex(of: UInt8(ascii: "."))
        message += chunk[..<(end ?? chunk.endIndex)]
        guard message.count <= limit else { throw TooLong() }
        if let end {
            state = end + 1 < chunk.endIndex ? .found : .inMessage(ended: true)
        } else {
            state = .inMessage(ended: false)
        }
    }
}

extension ArraySlice<UInt8> {
    /// As `firstIndex(of:)`, by memchr: every byte of a log passes here.
    fileprivate func fastIndex(of byte: UInt8) -> Int? {
        withUnsafeBytes { raw in
            guard let base = raw.baseAddress, let hit = memchr(base, CInt(byte), raw.count) else { return nil }
            return startIndex + (UnsafeRawPointer(hit) - base)
        }
    }
}
