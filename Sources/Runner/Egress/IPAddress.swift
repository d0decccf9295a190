import Glibc

/// An IPv4 or IPv6 address, without a scope.
enum IPAddress: Sendable, Hashable {
    /// In network byte order as a number: 10.0.0.1 is 0x0A000001.
    case v4(UInt32)
    case v6(UInt128)

    /// Takes only the forms that inet_pton(3) takes: four decimal numbers, or RFC 4291's text without a scope.
    /// `127.1`, `0x7f.0.0.1` and `017700000001` are none.
    init?(_ text: String) {
        // As plain numbers: which module declares in_addr depends on what else is imported beside this file.
        var four: UInt32 = 0
        var six: UInt128 = 0
        if inet_pton(AF_INET, text, &four) == 1 {
            self = .v4(UInt32(bigEndian: four))
        } else if inet_pton(AF_INET6, text, &six) == 1 {
            self = .v6(UInt128(bigEndian: six))
        } else {
            return nil
        }
    }

    /// The address in a socket address; nil for another family.
    init?(_ address: UnsafePointer<sockaddr>) {
        let bytes = UnsafeRawPointer(address)
        switch CInt(address.pointee.sa_family) {
        // Behind family and port.
        case AF_INET: self = .v4(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
        // Behind family, port and flow.
        case AF_INET6: self = .v6(UInt128(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt128.self)))
        default: return nil
        }
    }

    var bitWidth: Int {
        switch self {
        case .v4: 32
        case .v6: 128
        }
    }

    /// The address as a number, aligned to the right.
    var bits: UInt128 {
        switch self {
        case .v4(let number): UInt128(number)
        case .v6(let number): number
        }
    }
}

extension IPAddress: CustomStringConvertible {
    /// As inet_ntop(3) writes it.
    var description: String {
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        switch self {
        case .v4(let number):
            var address = number.bigEndian
            inet_ntop(AF_INET, &address, &text, socklen_t(text.count))
        case .v6(let number):
            var address = number.bigEndian
            inet_ntop(AF_INET6, &address, &text, socklen_t(text.count))
        }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
