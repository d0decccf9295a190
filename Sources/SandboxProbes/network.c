/* Sockets that no agent needs, and ways to anything beyond the sandbox. */
#include "probe.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static void open_socket(int family, int type, int protocol, const char *name) {
    if (socket(family, type | SOCK_CLOEXEC, protocol) < 0)
        refused(name);
    through("opened a socket: %s", name);
}
static void raw_socket(void) { open_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP, "SOCK_RAW"); }
static void raw_socket6(void) { open_socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6, "SOCK_RAW of AF_INET6"); }
static void packet_socket(void) { open_socket(AF_PACKET, SOCK_DGRAM, 0, "AF_PACKET"); }
static void netlink_socket(void) { open_socket(AF_NETLINK, SOCK_RAW, 0, "AF_NETLINK"); }
/* Only made, never connected: at the other end is the machine that runs this one. */
static void vsock(void) { open_socket(AF_VSOCK, SOCK_STREAM, 0, "AF_VSOCK"); }

/* Every other family that the kernel may have: AF_ALG, AF_XDP, AF_CAN, AF_TIPC, AF_BLUETOOTH and so on. */
static void odd_socket(void) {
    static const int types[] = { SOCK_RAW, SOCK_SEQPACKET, SOCK_DGRAM, SOCK_STREAM };
    bool any = false;
    for (int family = 3; family < AF_MAX; family++)
        for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
            if (family == AF_INET6 || family == AF_NETLINK || family == AF_PACKET || family == AF_VSOCK)
                continue;
            if (socket(family, types[i] | SOCK_CLOEXEC, 0) >= 0)
                through("opened a socket of family %d", family);
            any = any || errno == EPERM || errno == EACCES;
        }
    if (!any)
        unknown("this kernel has no other family");
    held("socket: EPERM for every other family");
}

/* Protocols behind the families that agents have, some of them modules that the kernel would load. */
static void odd_protocol(void) {
    static const struct { int family, type, protocol; } sockets[] = {
        { AF_INET, SOCK_STREAM, 262 /* MPTCP */ }, { AF_INET6, SOCK_STREAM, 262 }, { AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE },
        { AF_INET6, SOCK_DGRAM, IPPROTO_UDPLITE }, { AF_INET, SOCK_STREAM, IPPROTO_SCTP },
        { AF_INET, SOCK_DGRAM, IPPROTO_ICMP }, { AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6 },
    };
    for (size_t i = 0; i < sizeof sockets / sizeof *sockets; i++) {
        if (socket(sockets[i].family, sockets[i].type | SOCK_CLOEXEC, sockets[i].protocol) >= 0)
            through("opened a socket of protocol %d", sockets[i].protocol);
        if (errno != EPERM)
            through("asked the kernel for protocol %d: %s", sockets[i].protocol, error_name(errno));
    }
    held("socket: EPERM for every other protocol");
}

/* The other call that makes sockets. The kernel makes them before it finds that a family has no pairs. */
static void odd_pair(void) {
    int pair[2];
    for (int family = 2; family < AF_MAX; family++)
        for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type++)
            if (socketpair(family, type | SOCK_CLOEXEC, 0, pair) == 0 || errno == EOPNOTSUPP)
                through("had sockets of family %d made by socketpair", family);
    held("socketpair: %s for every family but unix", error_name(errno));
}

/* The kernel compiles it, and holds the code for as long as the socket lives. */
static void attach_filter(void) {
    struct { uint16_t code; uint8_t if_true, if_false; uint32_t k; } accept_all[] = { { 0x06, 0, 0, UINT32_MAX } };
    struct { uint16_t length; void *filter; } program = { 1, accept_all };
    int datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (datagrams < 0)
        unknown("socket: %s", error_name(errno));
    if (setsockopt(datagrams, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) < 0)
        refused("SO_ATTACH_FILTER");
    through("had a BPF program compiled for a socket");
}

static void another_interface(void) {
    char text[8192], *line = text;
    if (read_text("/proc/self/net/dev", text, sizeof text) <= 0)
        unknown("/proc/self/net/dev: %s", error_name(errno));
    while ((line = strchr(line, '\n'))) {
        char name[32], colon;
        if (sscanf(++line, " %31[^: \n]%c", name, &colon) == 2 && colon == ':' && strcmp(name, "lo") != 0)
            through("has the interface %s", name);
    }
    held("has only lo");
}

/* Connecting a datagram socket asks the kernel for a route and sends nothing. */
static int connect_datagram(const char *address, uint16_t port) {
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
    if (inet_pton(AF_INET, address, &to.sin_addr) != 1)
        unknown("%s is no address", address);
    int datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (datagrams < 0 || connect(datagrams, (struct sockaddr *)&to, sizeof to) < 0)
        return -1;
    return datagrams;
}

static void find_route(const char *address, uint16_t port) {
    if (connect_datagram(address, port) < 0)
        refused(address);
    through("has a route to %s", address);
}
static void route_out(void) { find_route("1.1.1.1", 443); }
static void route_to_metadata(void) { find_route("169.254.169.254", 80); }

/* The first nameserver of resolv.conf, or any public one. */
static void find_nameserver(char address[64]) {
    char text[4096];
    char *line = read_text("/etc/resolv.conf", text, sizeof text) > 0 ? strstr(text, "nameserver ") : NULL;
    if (!line || sscanf(line, "nameserver %63[0-9.]", address) != 1)
        strcpy(address, "1.1.1.1");
}

/* Asks for `localhost`, which a nameserver answers by itself. With an argument `ADDRESS:PORT`: asks that one. */
static void ask_nameserver(void) {
    static const uint8_t query[] = "\x50\x44\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x09localhost\x00\x00\x01\x00\x01";
    char address[64], answer[512];
    unsigned int port = 53;
    if (!argument)
        find_nameserver(address);
    else if (sscanf(argument, "%63[0-9.]:%u", address, &port) < 1 || port > UINT16_MAX)
        unknown("%s is no address", argument);
    int datagrams = connect_datagram(address, (uint16_t)port);
    if (datagrams < 0 || send(datagrams, query, sizeof query - 1, 0) < 0)
        refused(address);
    struct timeval two_seconds = { 2, 0 };
    setsockopt(datagrams, SOL_SOCKET, SO_RCVTIMEO, &two_seconds, sizeof two_seconds);
    if (recv(datagrams, answer, sizeof answer, 0) < 0 && errno == ECONNREFUSED)
        refused(address);
    through("sent a query to %s", address);
}

static void connect_to_host(void) {
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)argument_number(0)) };
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int stream = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (stream < 0 || connect(stream, (struct sockaddr *)&to, sizeof to) < 0)
        refused("127.0.0.1");
    through("connected to the host's 127.0.0.1:%s", argument);
}

static int connect_local(const char *name, bool abstract) {
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    size_t length = strlen(name);
    if (length + abstract >= sizeof to.sun_path)
        unknown("%s is too long", name);
    memcpy(to.sun_path + abstract, name, length);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + abstract + length);
    int stream = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (stream < 0 || connect(stream, (struct sockaddr *)&to, size) < 0)
        return -1;
    return stream;
}

/* Names without a file belong to the network namespace. */
static void connect_abstract(void) {
    if (connect_local(argument, true) < 0)
        refused("the host's abstract socket");
    through("connected to the host's abstract socket %s", argument);
}

static void ask_engine(void) {
    static const char *const paths[] = {
        "/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock",
    };
    static const char request[] = "GET /_ping HTTP/1.0\r\n\r\n";
    char answer[16] = "";
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        int engine = connect_local(paths[i], false);
        if (engine >= 0 && write(engine, request, sizeof request - 1) > 0 && read(engine, answer, 12) > 0)
            through("the Engine answers at %s: %s", paths[i], answer);
    }
    held("no Engine answers");
}

const struct probe network_probes[] = {
    { "raw-socket", NULL, raw_socket },
    { "raw-socket6", NULL, raw_socket6 },
    { "packet-socket", NULL, packet_socket },
    { "netlink-socket", NULL, netlink_socket },
    { "vsock", NULL, vsock },
    { "odd-socket", NULL, odd_socket },
    { "odd-protocol", NULL, odd_protocol },
    { "odd-pair", NULL, odd_pair },
    { "socket-filter", NULL, attach_filter },
    { "interface", NULL, another_interface },
    { "route-out", NULL, route_out },
    { "metadata", NULL, route_to_metadata },
    { "dns", "[ADDRESS:PORT]", ask_nameserver },
    { "host-loopback", "PORT", connect_to_host },
    { "abstract-socket", "NAME", connect_abstract },
    { "engine-socket", NULL, ask_engine },
    { NULL, NULL, NULL },
};
