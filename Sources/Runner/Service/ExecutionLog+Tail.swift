extension ExecutionLog {
    /// Bytes that are looked at first for the last lines; then four times as many, and so on.
    private static let firstWindow: Int64 = 256 << 10

    /// Where the last so many lines begin.
    /// - Parameter stream: count only its lines; nil for both.
    public func offset(ofLast lines: Int, in stream: LogSource?) async throws -> Int64 {
        let end = try await end()
        guard lines > 0 else { return end }
        var window = Self.firstWindow
        while true {
            let start = max(0, end - window)
            let begins = try await lineBegins(from: start, to: end, stream, last: lines)
            // The first line of a window may have begun before it.
            if begins.count >= lines { return begins[begins.count - lines] }
            if start == 0 { return begins.first ?? 0 }
            window *= 4
        }
    }

    /// Offsets at which a line begins, of those that hold anything: the last `count` of them at least, where there are
    /// so many, and never twice as many.
    private func lineBegins(
        from start: Int64, to end: Int64, _ stream: LogSource?, last count: Int
    ) async throws -> [Int64] {
        var begins: [Int64] = []
        // Of the log's beginning it is known; of any other place it is not.
        var isAtBegin = start == 0
        var position = start
        while position < end {
            let before = position
            try await forEachRecord(from: position) { record in
                position = record.end
                guard case .bytes(let bytes, _) = record.content, stream == nil || record.source == stream else {
                    return
                }
                for (index, byte) in bytes.enumerated() {
                    if isAtBegin { begins.append(record.offset + Int64(index)) }
                    if begins.count >= 2 * count { begins.removeFirst(begins.count - count) }
                    isAtBegin = byte == UInt8(ascii: "\n")
                }
            }
            if position == before { break }
        }
        return begins
    }
}
