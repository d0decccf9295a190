/// Follows an audit trail from entry to entry and finds what was removed, changed or moved. It keeps no entries: a trail
/// of any length can be read through it.
///
/// Whoever can write all of a trail can write another one that is whole in itself. Only a head that was kept elsewhere
/// tells them apart.
public struct AuditVerifier: Sendable {
    /// Where a trail is not what it was.
    public struct Fault: Error, Sendable, Equatable, CustomStringConvertible {
        public enum Code: String, Sendable, Codable {
            /// One or more entries are not there.
            case removed
            /// An entry does not have the hash of its contents, or is not the one that was known.
            case changed
            /// An entry is where another belongs.
            case moved
        }

        public let code: Code
        /// The entry that it is about.
        public let sequence: Int64
        public let message: String
        public var description: String { message }
    }

    /// The last entry that was taken.
    public private(set) var head: AuditHead
    private let known: AuditHead?
    private var hasMetKnown: Bool

    /// - Parameters:
    ///   - start: what comes before the first entry; another than ``AuditHead/empty`` where older ones were dropped.
    ///   - known: a place that the trail must have passed, kept elsewhere: its last head, or that of a receipt.
    public init(from start: AuditHead = .empty, known: AuditHead? = nil) {
        head = start
        self.known = known
        hasMetKnown = known == nil || known == start
    }

    /// Takes the next entry, in order of its number.
    /// - Throws: ``Fault``.
    public mutating func take(_ entry: AuditEntry) throws {
        let expected = head.sequence + 1
        guard entry.sequence <= expected else {
            throw fault(.removed, expected, "entry \(expected) is missing: entry \(entry.sequence) comes in its place")
        }
        guard entry.sequence == expected else {
            throw fault(
                .moved, entry.sequence,
                "entry \(entry.sequence) is there twice, or was moved: it comes after entry \(head.sequence)")
        }
        guard try entry.computedHash() == entry.hash else {
            throw fault(.changed, expected, "entry \(expected) was changed: its contents do not have its hash")
        }
        guard entry.previousHash == head.hash else {
            throw fault(
                .changed, expected,
                "entry \(expected) does not follow entry \(head.sequence): one of the two was replaced")
        }
        if let known, known.sequence == expected {
            guard known.hash == entry.hash else {
                throw fault(
                    .changed, expected,
                    "entry \(expected) is not the one that was known: it, or one before it, was replaced")
            }
            hasMetKnown = true
        }
        head = entry.head
    }

    /// There are no more entries.
    /// - Throws: ``Fault`` when the place that was known has not been passed.
    public func finish() throws {
        guard let known, !hasMetKnown else { return }
        let first = head.sequence + 1
        guard known.sequence >= first else {
            throw fault(.removed, known.sequence, "entry \(known.sequence), which was known, is before the first one")
        }
        let which = known.sequence == first ? "entry \(first) is" : "entries \(first) to \(known.sequence) are"
        throw fault(.removed, first, "\(which) missing at the end")
    }

    private func fault(_ code: Fault.Code, _ sequence: Int64, _ message: String) -> Fault {
        Fault(code: code, sequence: sequence, message: message)
    }
}

extension AuditVerifier {
    /// Checks a whole trail.
    /// - Returns: its head.
    /// - Throws: ``Fault`` for the first thing that is wrong.
    @discardableResult
    public static func verify(
        _ entries: some Sequence<AuditEntry>, from start: AuditHead = .empty, known: AuditHead? = nil
    ) throws -> AuditHead {
        var verifier = AuditVerifier(from: start, known: known)
        for entry in entries { try verifier.take(entry) }
        try verifier.finish()
        return verifier.head
    }
}
