/// Addresses that no allow-list reaches by itself: those that lead to the host, its neighbours or its cloud, and those
/// that are no place on the internet.
///
/// From the IANA special-purpose registries for IPv4 and IPv6 (RFC 6890 and later), and the metadata services of cloud
/// providers.
enum ReservedAddresses {
    struct Entry: Sendable {
        let range: AddressRange
        /// Completes "is …".
        let what: String

        /// For the constants below: a range that is no range would be no entry.
        init?(_ range: String, _ what: String) {
            guard let range = try? AddressRange(range) else { return nil }
            self.range = range
            self.what = what
        }
    }

    /// More special ones first: the first that holds an address names it.
    static let entries: [Entry] = [
        Entry("169.254.169.254/32", "a cloud's metadata service"),
        // Alibaba, Oracle and Azure have theirs elsewhere; Azure's is a public address that only its machines reach.
        Entry("100.100.100.200/32", "a cloud's metadata service"),
        Entry("192.0.0.192/32", "a cloud's metadata service"),
        Entry("168.63.129.16/32", "a cloud's metadata service"),
        Entry("fd00:ec2::/32", "a cloud's metadata service"),
        Entry("0.0.0.0/8", "an unspecified address"),
        Entry("10.0.0.0/8", "a private address"),
        Entry("100.64.0.0/10", "a carrier's shared address"),
        Entry("127.0.0.0/8", "a loopback address"),
        Entry("169.254.0.0/16", "a link-local address"),
        Entry("172.16.0.0/12", "a private address"),
        Entry("192.0.0.0/24", "a reserved address"),
        Entry("192.0.2.0/24", "an address for documentation"),
        Entry("192.88.99.0/24", "a 6to4 relay"),
        Entry("192.168.0.0/16", "a private address"),
        Entry("198.18.0.0/15", "an address for benchmarks"),
        Entry("198.51.100.0/24", "an address for documentation"),
        Entry("203.0.113.0/24", "an address for documentation"),
        Entry("224.0.0.0/4", "a multicast address"),
        Entry("255.255.255.255/32", "a broadcast address"),
        Entry("240.0.0.0/4", "a reserved address"),
        Entry("::/128", "an unspecified address"),
        Entry("::1/128", "a loopback address"),
        Entry("::ffff:0:0/96", "an IPv4 address in IPv6 (mapped)"),
        Entry("::ffff:0:0:0/96", "an IPv4 address in IPv6 (translated)"),
        Entry("::/96", "an IPv4 address in IPv6 (compatible)"),
        Entry("64:ff9b::/96", "an IPv4 address in IPv6 (NAT64)"),
        Entry("64:ff9b:1::/48", "an IPv4 address in IPv6 (local NAT64)"),
        Entry("2001::/32", "an IPv4 address in IPv6 (Teredo)"),
        Entry("2001:2::/48", "an address for benchmarks"),
        Entry("2001::/23", "a reserved address"),
        Entry("2001:db8::/32", "an address for documentation"),
        Entry("2002::/16", "an IPv4 address in IPv6 (6to4)"),
        Entry("3fff::/20", "an address for documentation"),
        Entry("fc00::/7", "a private address"),
        Entry("fe80::/10", "a link-local address"),
        Entry("fec0::/10", "a private address"),
        Entry("ff00::/8", "a multicast address"),
        // Of the rest, only 2000::/3 has ever been given out: these three and 2000::/3 are all of IPv6.
        Entry("::/3", "a reserved address"),
        Entry("4000::/2", "a reserved address"),
        Entry("8000::/1", "a reserved address"),
    ].compactMap { $0 }

    /// What the address is, if it is reserved.
    static func entry(for address: IPAddress) -> Entry? { entries.first { $0.range.contains(address) } }

    /// Whether every address of the range is reserved.
    static func hold(_ range: AddressRange) -> Bool { entries.contains { $0.range.contains(range) } }
}
