/// A place in the audit trail: that there is an entry with this number, and which.
///
/// Whoever keeps one, in a receipt for example, can tell later whether the trail up to there is what it was.
public struct AuditHead: Sendable, Equatable, Codable {
    /// From 1.
    public let sequence: Int64
    /// 64 hexadecimal digits.
    public let hash: String

    public init(sequence: Int64, hash: String) {
        self.sequence = sequence
        self.hash = hash
    }

    /// Before the first entry.
    public static let empty = AuditHead(sequence: 0, hash: String(repeating: "0", count: 64))
}
