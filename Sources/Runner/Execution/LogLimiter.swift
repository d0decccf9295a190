/// Counts the log and keeps it within its limit.
struct LogLimiter: Sendable {
    private let limit: Int64
    private(set) var total: Int64 = 0

    init(limit: Int64) { self.limit = limit }

    var droppedBytes: Int64 { max(0, total - limit) }

    /// The part of the bytes that is still within the limit.
    mutating func admit(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let room = max(0, limit - total)
        total += Int64(bytes.count)
        return bytes.prefix(Int(min(room, Int64(bytes.count))))
    }
}
