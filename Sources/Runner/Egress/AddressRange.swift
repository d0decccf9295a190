/// A block of addresses, as `10.0.0.0/8`.
public struct AddressRange: Sendable, Hashable, CustomStringConvertible {
    let first: IPAddress
    let prefixLength: Int

    /// A range that cannot be used, and what to write instead.
    public struct Invalid: Error, Sendable, CustomStringConvertible {
        public let description: String
    }

    /// - Parameter text: an address and the length of its prefix in bits; an address alone is a range of one.
    /// - Throws: ``Invalid``.
    public init(_ text: String) throws {
        func refuse(_ why: String) -> Invalid {
            Invalid(description: "'\(text)' \(why): write a range such as 10.1.2.0/24 or fd00:1::/64")
        }
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = IPAddress(String(parts[0])) else { throw refuse("is no range of addresses") }
        var length = first.bitWidth
        if parts.count == 2 {
            guard parts[1].allSatisfy(\.isASCIIDigit), let given = Int(parts[1]), given <= first.bitWidth else {
                throw refuse("has no prefix length of 0 to \(first.bitWidth)")
            }
            length = given
        }
        self.init(first, length)
        guard first.bits & ~mask == 0 else {
            throw refuse("has bits set beyond its first \(length)")
        }
    }

    init(_ first: IPAddress, _ prefixLength: Int) {
        self.first = first
        self.prefixLength = prefixLength
    }

    public var description: String { "\(first)/\(prefixLength)" }

    var isOneAddress: Bool { prefixLength == first.bitWidth }

    private var mask: UInt128 {
        let width = first.bitWidth
        let all = UInt128.max >> (128 - width)
        return prefixLength == 0 ? 0 : (all << (width - prefixLength)) & all
    }

    func contains(_ address: IPAddress) -> Bool {
        address.bitWidth == first.bitWidth && address.bits & mask == first.bits & mask
    }

    func contains(_ other: AddressRange) -> Bool {
        other.prefixLength >= prefixLength && contains(other.first)
    }
}

extension Character {
    var isASCIIDigit: Bool { ("0"..."9").contains(self) }
}
