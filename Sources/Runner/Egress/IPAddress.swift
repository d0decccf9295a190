import Glibc

/// An IPv4 or IPv6 address, without a scope.
enum IPAddress: Sendable, Hashable {
    /// In network byte order as a number: 10.0.0.1 is 0x0A000001.
    case v4(UInt32)
    case v6(UInt128)

    /// Takes only the forms that inet_pton(3) takes: four decimal numbers, or RFC 4291's text without a scope.
    /// `127.1`, `0x7f.0.0.1` and `017700000001` are none.
    init?(_ text: String) {
        var four = in_addr()
        var six = in6_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            self = .v4(UInt32(bigEndian: four.s_addr))
        } else if inet_pton(AF_INET6, text, &six) == 1 {
            self = Self(six)
        } else {
            return nil
        }
    }

    private init(_ address: in6_addr) {
        self = .v6(withUnsafeBytes(of: address) { UInt128(bigEndian: $0.loadUnaligned(as: UInt128.self)) })
    }

    /// The address in a socket address; nil for another family.
    init?(_ address: UnsafePointer<sockaddr>) {
        switch CInt(address.pointee.sa_family) {
        case AF_INET:
            let number = UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in.self).sin_addr.s_addr
            self = .v4(UInt32(bigEndian: number))
        case AF_INET6:
            self = Self(UnsafeRawPointer(address).loadUnaligned(as: sockaddr_in6.self).sin6_addr)
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
            var address = in_addr(s_addr: number.bigEndian)
            inet_ntop(AF_INET, &address, &text, socklen_t(text.count))
        case .v6(let number):
            var address = in6_addr()
            withUnsafeMutableBytes(of: &address) { $0.storeBytes(of: number.bigEndian, as: UInt128.self) }
            inet_ntop(AF_INET6, &address, &text, socklen_t(text.count))
        }
        return String(decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
