/// Addresses that no allow-list reaches by itself: those that lead to the host, its neighbours or its cloud, and those
/// that are no place on the internet.
///
/// From the IANA special-purpose registries for IPv4 and IPv6 (RFC 6890 and later), and the metadata services of cloud
/// providers.
enum ReservedAddresses {
    /// Whether an operator can open it, for hosts that a rule names.
    enum Opening: Sendable {
        case byRange
        /// One address at a time: a range that happens to hold it does not open it.
        case byAddress
        case never
    }

    struct Entry: Sendable {
        let range: AddressRange
        /// Completes "is …".
        let what: String
        let opening: Opening

        /// For the constants below: a range that is no range would be no entry.
        init?(_ range: String, _ what: String, _ opening: Opening = .byRange) {
            guard let range = try? AddressRange(range) else { return nil }
            self.range = range
            self.what = what
            self.opening = opening
        }

        /// A cloud's metadata service: hands out the machine's credentials.
        init?(metadata range: String) { self.init(range, "a cloud's metadata service", .byAddress) }

        /// An IPv4 address within an IPv6 one, which may be any: opening one would open what the IPv4 entries keep shut.
        init?(embedding range: String, _ form: String) { self.init(range, "an IPv4 address in IPv6 (\(form))", .never) }
    }

    /// More special ones first: the first that holds an address names it.
    static let entries: [Entry] = [
        // Of most clouds; then Alibaba, Oracle Classic, Azure (a public address that only its machines reach), AWS for
        // containers (ECS, EKS), Scaleway, Tencent, Volcano Engine.
        Entry(metadata: "169.254.169.254/32"),
        Entry(metadata: "100.100.100.200/32"),
        Entry(metadata: "192.0.0.192/32"),
        Entry(metadata: "168.63.129.16/32"),
        Entry(metadata: "169.254.170.2/32"),
        Entry(metadata: "169.254.170.23/32"),
        Entry(metadata: "169.254.42.42/32"),
        Entry(metadata: "169.254.0.23/32"),
        Entry(metadata: "100.96.0.96/32"),
        // AWS, with its other services beside it; then Google, Oracle, Akamai, Alibaba, Scaleway, OpenStack.
        Entry(metadata: "fd00:ec2::/32"),
        Entry(metadata: "fd20:ce::254/128"),
        Entry(metadata: "fd00:c1::a9fe:a9fe/128"),
        Entry(metadata: "fd00:a9fe:a9fe::1/128"),
        Entry(metadata: "fd00:100::100:200/128"),
        Entry(metadata: "fd00:42::42/128"),
        Entry(metadata: "fe80::a9fe:a9fe/128"),
        Entry("0.0.0.0/8", "an unspecified address", .never),
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
        Entry("224.0.0.0/4", "a multicast address", .never),
        Entry("255.255.255.255/32", "a broadcast address", .never),
        Entry("240.0.0.0/4", "a reserved address"),
        Entry("::/128", "an unspecified address", .never),
        Entry("::1/128", "a loopback address"),
        Entry(embedding: "::ffff:0:0/96", "mapped"),
        Entry(embedding: "::ffff:0:0:0/96", "translated"),
        Entry(embedding: "::/96", "compatible"),
        Entry(embedding: "64:ff9b::/96", "NAT64"),
        Entry(embedding: "64:ff9b:1::/48", "local NAT64"),
        Entry(embedding: "2001::/32", "Teredo"),
        Entry("2001:2::/48", "an address for benchmarks"),
        Entry("2001::/23", "a reserved address"),
        Entry("2001:db8::/32", "an address for documentation"),
        Entry(embedding: "2002::/16", "6to4"),
        Entry("3fff::/20", "an address for documentation"),
        Entry("fc00::/7", "a private address"),
        Entry("fe80::/10", "a link-local address"),
        Entry("fec0::/10", "a private address"),
        Entry("ff00::/8", "a multicast address", .never),
        // Of the rest, only 2000::/3 has ever been given out: these three and 2000::/3 are all of IPv6.
        Entry("::/3", "a reserved address"),
        Entry("4000::/2", "a reserved address"),
        Entry("8000::/1", "a reserved address"),
    ].compactMap { $0 }

    /// What the address is, if it is reserved.
    static func entry(for address: IPAddress) -> Entry? { entries.first { $0.range.contains(address) } }

    /// What every address of the range is, if they are reserved.
    static func entry(for range: AddressRange) -> Entry? { entries.first { $0.range.contains(range) } }
}
