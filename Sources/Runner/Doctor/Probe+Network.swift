extension Probe {
    /// What it can reach.
    static let networkProbes = [
        Probe("raw-socket", "opens a raw IPv4 socket", .seccomp, off: [.noSeccomp, .root, .capabilities(["NET_RAW"])]),
        Probe(
            "raw-socket6", "opens a raw IPv6 socket", .seccomp, off: [.noSeccomp, .root, .capabilities(["NET_RAW"])]),
        Probe(
            "packet-socket", "opens a packet socket", .seccomp, off: [.noSeccomp, .root, .capabilities(["NET_RAW"])]),
        Probe("netlink-socket", "opens a netlink socket", .seccomp, off: [.noSeccomp]),
        Probe("vsock", "opens a vsock socket (never connects it)", .seccomp, off: [.noSeccomp]),
        Probe(
            "odd-socket", "opens a socket of every other family: AF_ALG, AF_XDP, AF_CAN, AF_TIPC and so on", .seccomp,
            off: [.noSeccomp, .root, .capabilities(["NET_RAW"])]),
        Probe(
            "odd-protocol", "opens IP sockets of other protocols than TCP and UDP: MPTCP, UDP-Lite, SCTP, ping",
            .seccomp, off: [.noSeccomp]),
        Probe("odd-pair", "has sockets of other families than unix made by socketpair", .seccomp, off: [.noSeccomp]),
        Probe("socket-filter", "attaches a BPF program to a socket (SO_ATTACH_FILTER)", .seccomp, off: [.noSeccomp]),
        Probe("interface", "looks for an interface other than lo", .network, off: [.network("bridge")]),
        Probe("route-out", "asks for a route to 1.1.1.1 (sends nothing)", .network, off: [.network("bridge")]),
        Probe("metadata", "asks for a route to 169.254.169.254 (sends nothing)", .network, off: [.network("bridge")]),
        Probe(
            "dns", "sends a DNS query for localhost to the nameserver of resolv.conf, or to 1.1.1.1", .network,
            .hostNameserver, off: [.network("host")]),
        Probe(
            "host-loopback", "connects to a port on the host's 127.0.0.1", .network, .hostPort, off: [.network("host")]),
        Probe(
            "abstract-socket", "connects to an abstract unix socket of the host", .network, .hostSocket,
            off: [.network("host")]),
        Probe("engine-socket", "asks the Engine for a ping at its usual sockets", .hand, off: [.root, .engineSocket]),
    ]
}
