import Foundation
import Testing

@testable import Runner

@Suite("Egress: addresses")
struct EgressAddressTests {
    private let policy: EgressPolicy

    init() throws { policy = try EgressPolicy(rules: [EgressRule("a.example")]) }

    @Test(
        "reserved addresses are refused, and named for what they are",
        arguments: [
            ("0.0.0.0", "unspecified"), ("0.1.2.3", "unspecified"), ("10.0.0.0", "private"),
            ("10.255.255.255", "private"), ("100.64.0.1", "carrier"), ("100.127.255.255", "carrier"),
            ("100.100.100.200", "metadata"), ("127.0.0.1", "loopback"), ("127.255.255.254", "loopback"),
            ("169.254.169.254", "metadata"), ("169.254.0.1", "link-local"), ("172.16.0.1", "private"),
            ("172.31.255.255", "private"), ("168.63.129.16", "metadata"), ("192.0.0.192", "metadata"),
            ("192.0.0.8", "reserved"), ("192.0.2.1", "documentation"), ("192.88.99.1", "6to4"),
            ("192.168.1.1", "private"), ("198.18.0.1", "benchmark"), ("198.19.255.255", "benchmark"),
            ("198.51.100.7", "documentation"), ("203.0.113.9", "documentation"), ("224.0.0.1", "multicast"),
            ("239.255.255.250", "multicast"), ("240.0.0.1", "reserved"), ("255.255.255.255", "broadcast"),
            ("::", "unspecified"), ("::1", "loopback"), ("::ffff:8.8.8.8", "mapped"), ("::ffff:127.0.0.1", "mapped"),
            ("::127.0.0.1", "compatible"), ("::ffff:0:8.8.8.8", "translated"), ("64:ff9b::7f00:1", "NAT64"),
            ("64:ff9b:1::1", "NAT64"), ("100::1", "reserved"), ("2001::1", "Teredo"), ("2001:2::1", "benchmark"),
            ("2001:20::1", "reserved"), ("2001:db8::1", "documentation"), ("2002:7f00:1::", "6to4"),
            ("3fff::1", "documentation"), ("4000::1", "reserved"), ("5f00::1", "reserved"), ("fc00::1", "private"),
            ("fd00:ec2::254", "metadata"), ("169.254.170.2", "metadata"), ("169.254.170.23", "metadata"),
            ("169.254.42.42", "metadata"), ("169.254.0.23", "metadata"), ("100.96.0.96", "metadata"),
            ("fd00:ec2::23", "metadata"), ("fd20:ce::254", "metadata"), ("fd00:c1::a9fe:a9fe", "metadata"),
            ("fd00:a9fe:a9fe::1", "metadata"), ("fd00:100::100:200", "metadata"), ("fd00:42::42", "metadata"),
            ("fe80::a9fe:a9fe", "metadata"), ("fd12:3456::1", "private"), ("fe80::1", "link-local"),
            ("fec0::1", "private"), ("ff02::1", "multicast"), ("9000::1", "reserved"),
        ])
    func reserved(text: String, what: String) throws {
        let objection = policy.objection(to: try #require(IPAddress(text)), ofHost: [])
        #expect(objection?.contains(what) == true, "\(objection ?? "allowed")")
    }

    @Test(
        "public addresses are not",
        arguments: [
            "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
            "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0",
            "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2000::1",
            "2001:200::1", "2001:4860:4860::8888", "2003::1", "2606:4700::1111", "3ffe::1",
        ])
    func notReserved(text: String) throws {
        #expect(policy.objection(to: try #require(IPAddress(text)), ofHost: []) == nil)
    }

    @Test("every entry of the table is a range")
    func table() {
        #expect(ReservedAddresses.entries.count == 52)
    }

    @Test(
        "a private range lets through what it holds",
        arguments: [
            ("10.1.0.0/16", "10.1.2.3", true), ("10.1.0.0/16", "10.2.0.1", false), ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1/32", "127.0.0.2", false), ("10.0.0.0/8", "::ffff:10.0.0.1", false),
            ("fd00::/8", "fd01::1", true), ("169.254.0.0/16", "169.254.1.1", true),
            ("169.254.0.0/16", "169.254.169.254", false), ("169.254.169.254/32", "169.254.169.254", true),
            ("fc00::/7", "fd00:ec2::254", false), ("::1/128", "::1", true),
            ("169.254.0.0/16", "169.254.170.2", false), ("169.254.170.2", "169.254.170.2", true),
            ("100.64.0.0/10", "100.96.0.96", false), ("fd00::/8", "fd20:ce::254", false),
            ("fd00:42::42", "fd00:42::42", true), ("fe80::/10", "fe80::a9fe:a9fe", false),
            ("240.0.0.0/4", "255.255.255.255", false), ("::/3", "::ffff:127.0.0.1", false),
            ("::/3", "64:ff9b::7f00:1", false), ("2001::/23", "2001::1", false),
        ])
    func allowedPrivate(range: String, address: String, isAllowed: Bool) throws {
        let policy = try EgressPolicy(rules: [EgressRule("a.example")], allowedPrivate: [AddressRange(range)])
        #expect((policy.objection(to: try #require(IPAddress(address)), ofHost: []) == nil) == isAllowed)
    }

    @Test("a public address of this host is refused; a reserved one is as reserved as any other")
    func host() throws {
        let own = Set(["11.22.33.44", "2606:4700::1111", "10.0.0.1", "127.0.0.1"].compactMap { IPAddress($0) })
        let policy = try EgressPolicy(rules: [EgressRule("a.example")], allowedPrivate: [AddressRange("10.0.0.0/8")])
        let told = ["11.22.33.44", "11.22.33.45", "2606:4700::1111", "2606:4700::1112", "10.0.0.1", "127.0.0.1"]
            .compactMap { IPAddress($0) }.map { policy.objection(to: $0, ofHost: own) ?? "allowed" }
        #expect(
            told == [
                "an address of this host", "allowed", "an address of this host", "allowed", "allowed",
                "a loopback address",
            ])
    }

    @Test("this host's addresses are those of its interfaces, of both kinds")
    func interfaces() throws {
        let own = try HostAddresses.current()
        #expect(own.contains(.v4(0x7F00_0001)))
        let names = try String(contentsOfFile: "/proc/net/if_inet6", encoding: .utf8)
        let sixes = names.split(separator: "\n").compactMap { UInt128($0.prefix(32), radix: 16) }
        #expect(sixes.allSatisfy { own.contains(.v6($0)) })
    }

    @Test(
        "a range with public addresses is refused",
        arguments: ["0.0.0.0/0", "8.0.0.0/5", "1.1.1.1", "::/0", "2000::/3"])
    func tooWide(range: String) throws {
        let range = try AddressRange(range)
        #expect(throws: EgressPolicy.Invalid.self) {
            try EgressPolicy(rules: [EgressRule("a.example")], allowedPrivate: [range])
        }
    }

    @Test(
        "a range that opens nothing is refused, and says why",
        arguments: [
            ("::ffff:10.0.0.0/104", "(mapped), and that is never"), ("::ffff:0:0/96", "(mapped), and that is never"),
            ("::ffff:0:0:0/96", "(translated)"), ("::7f00:1/128", "(compatible)"), ("64:ff9b::/96", "(NAT64)"),
            ("64:ff9b:1::/48", "(local NAT64)"), ("2002::/16", "(6to4)"), ("2001::/32", "(Teredo)"),
            ("0.0.0.0/8", "unspecified address, and that is never"), ("0.0.0.0/32", "unspecified"),
            ("::/128", "unspecified"), ("224.0.0.0/4", "multicast"), ("ff02::/16", "multicast"),
            ("255.255.255.255", "broadcast"), ("fd00:ec2::/32", "one address at a time: write fd00:ec2::/128"),
        ])
    func opensNothing(range: String, says: String) throws {
        let range = try AddressRange(range)
        let error = #expect(throws: EgressPolicy.Invalid.self) {
            try EgressPolicy(rules: [EgressRule("a.example")], allowedPrivate: [range])
        }
        #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
    }

    @Test(
        "what is no range is refused",
        arguments: ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0.1/8", "10/8", "a/8", "::/129", "10.0.0.0/-1", "fe80::1%lo"])
    func notARange(text: String) {
        let error = #expect(throws: AddressRange.Invalid.self) { try AddressRange(text) }
        #expect(error?.description.contains("write a range such as") == true)
    }

    @Test("addresses are written as they are read", arguments: ["127.0.0.1", "255.255.255.255", "::", "2001:db8::1"])
    func text(_ text: String) {
        #expect(IPAddress(text)?.description == text)
    }
}
