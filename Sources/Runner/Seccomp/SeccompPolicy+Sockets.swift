import Glibc

extension SeccompPolicy {
    /// Family, type and protocol are named each: for another one the kernel may load a module.
    static let sockets = Group(
        name: "sockets", reason: "talk within the sandbox, whose only interface is loopback",
        answers: [
            "CVE-2010-3904", "CVE-2013-1763", "CVE-2016-8655", "CVE-2017-6074", "CVE-2017-7308", "CVE-2017-17712",
            "CVE-2021-26708",
        ],
        rules: unix("socket") + unix("socketpair") + internet(AF_INET, "IPv4") + internet(AF_INET6, "IPv6") + [
            Rule(calls: [
                "bind", "listen", "accept", "accept4", "connect", "getsockname", "getpeername", "getsockopt", "send",
                "sendto", "sendmsg", "sendmmsg", "recv", "recvfrom", "recvmsg", "recvmmsg", "recvmmsg_time64",
                "shutdown",
            ])
        ])

    static let socketOptions = Group(
        name: "options of sockets",
        reason:
            "tune them; none attaches a BPF program, which is compiled into memory of the host's that no limit counts",
        rules: [(0, "IP"), (6, "TCP"), (17, "UDP"), (41, "IPv6")].map { (level: UInt32, name: String) in
            Rule(calls: ["setsockopt"], conditions: [.equals(argument: 1, level)], meaning: "any of \(name)")
        } + everySocketOption(but: attachments, in: 0..<128))

    private static func unix(_ call: String) -> [Rule] {
        [(1, "stream"), (2, "datagram"), (5, "seqpacket")].map { type, name in
            // Protocol 1 is another number for 0, the only one that they have.
            socket(call, AF_UNIX, type, .bits(argument: 2, mask: 0xFFFF_FFFE, value: 0), "unix \(name)")
        }
    }

    private static func internet(_ family: Int32, _ name: String) -> [Rule] {
        [(1, 0, "stream"), (1, 6, "stream, named as TCP"), (2, 0, "datagram"), (2, 17, "datagram, named as UDP")].map {
            socket("socket", family, $0, .equals(argument: 2, $1), "\(name) \($2)")
        }
    }

    private static func socket(
        _ call: String, _ family: Int32, _ type: UInt64, _ protocolCondition: Condition, _ meaning: String
    ) -> Rule {
        // The type's upper bits are SOCK_NONBLOCK and SOCK_CLOEXEC.
        Rule(
            calls: [call],
            conditions: [
                .equals(argument: 0, UInt32(family)), .bits(argument: 1, mask: 0xF, value: type), protocolCondition,
            ], meaning: meaning)
    }

    /// SO_ATTACH_FILTER, SO_ATTACH_BPF, SO_ATTACH_REUSEPORT_CBPF, SO_ATTACH_REUSEPORT_EBPF.
    private static let attachments: Set<UInt32> = [26, 50, 51, 52]

    /// Options of SOL_SOCKET. A rule has one comparison an argument, so all but a few is a list of blocks between them.
    /// - Parameter block: as long as a power of two, and at a multiple of it, so that a mask covers it.
    private static func everySocketOption(but refused: Set<UInt32>, in block: Range<UInt32>) -> [Rule] {
        guard refused.contains(where: { block.contains($0) }) else {
            let count = UInt32(block.count)
            let words =
                count == 1 ? "option \(block.lowerBound)" : "options \(block.lowerBound) to \(block.upperBound - 1)"
            return [
                Rule(
                    calls: ["setsockopt"],
                    conditions: [
                        .equals(argument: 1, UInt32(SOL_SOCKET)),
                        .bits(argument: 2, mask: UInt64(~(count - 1)), value: UInt64(block.lowerBound)),
                    ], meaning: "\(words) of every socket")
            ]
        }
        guard block.count > 1 else { return [] }
        let middle = block.lowerBound + UInt32(block.count) / 2
        return everySocketOption(but: refused, in: block.lowerBound..<middle)
            + everySocketOption(but: refused, in: middle..<block.upperBound)
    }
}
