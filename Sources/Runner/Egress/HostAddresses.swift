import Glibc

/// The addresses of this host's own interfaces: what listens on one of them may trust whoever can reach it.
enum HostAddresses {
    /// As they are now; getifaddrs(3). A host behind NAT does not know the public address that leads to it.
    /// - Throws: the reason, where the kernel does not tell.
    static func current() throws(EgressRecord.Reason) -> Set<IPAddress> {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else {
            throw EgressRecord.Reason(.unreachable, "this host's own addresses cannot be read: \(Errno.last)")
        }
        defer { freeifaddrs(first) }
        var addresses: Set<IPAddress> = []
        var next = first
        while let entry = next {
            if let address = entry.pointee.ifa_addr.flatMap({ IPAddress($0) }) { addresses.insert(address) }
            next = entry.pointee.ifa_next
        }
        return addresses
    }
}
