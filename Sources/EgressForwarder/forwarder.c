/* A process of its own, under the agent's user id: no part of the fence, which is the proxy's. It allocates nothing,
 * so that the agent can make it use no more memory than this file says. */
#include "forwarder.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PROXY_PATH "/.paddock/egress/proxy.sock"
enum { CONNECTIONS_MAX = 256, BACKLOG = 1024, RETRY_MS = 10 };
enum { BUFFER_BYTES = 16 << 10, SEND_BYTES = 64 << 10 }; /* by itself the kernel would hold 4 MiB for a slow client */
enum { LISTENER = 0 };                                   /* its descriptor */

/* One direction of a connection. More of it is read when all that was read has been written. */
struct flow {
    size_t start, end; /* what its buffer holds */
    bool ended;        /* nothing more comes, and the buffer is empty */
};

/* UP is from the agent to the proxy, DOWN is back. */
enum { UP, DOWN, FLOWS };
struct connection {
    int client, proxy; /* -1 is none: without a client it is free, without a proxy it waits for one */
    struct flow flows[FLOWS];
};

static struct connection connections[CONNECTIONS_MAX];
static char buffers[CONNECTIONS_MAX][FLOWS][BUFFER_BYTES]; /* paged in when first used */
static size_t capacity;

static void drop(struct connection *connection) {
    close(connection->client);
    if (connection->proxy >= 0)
        close(connection->proxy);
    *connection = (struct connection){ .client = -1, .proxy = -1 };
}

static bool is_served(const struct connection *connection) {
    return connection->client >= 0 && connection->proxy >= 0;
}

/* A unix socket connects at once or not at all; EAGAIN says that the proxy's backlog is full. */
static int connect_proxy(void) {
    static const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = PROXY_PATH };
    int proxy = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (proxy >= 0 && connect(proxy, (const struct sockaddr *)&address, sizeof address) < 0) {
        close(proxy); /* leaves errno alone */
        proxy = -1;
    }
    return proxy;
}

/* Accepts while there is room, and connects what has been accepted; without a proxy a client is sent away. False if
 * there is something to be tried again after a pause: the proxy's backlog is full, or the kernel is out of memory or
 * files. */
static bool admit(void) {
    for (struct connection *connection = connections; connection < connections + capacity; connection++) {
        if (is_served(connection))
            continue;
        if (connection->client < 0) {
            connection->client = accept4(LISTENER, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (connection->client < 0)
                return errno == EAGAIN;
            setsockopt(connection->client, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
            setsockopt(connection->client, SOL_SOCKET, SO_SNDBUF, &(int){ SEND_BYTES }, sizeof(int));
        }
        connection->proxy = connect_proxy();
        if (connection->proxy < 0 && errno == EAGAIN)
            return false;
        if (connection->proxy < 0)
            drop(connection);
    }
    return true;
}

/* Reads into an empty buffer, and passes on the end. False if the socket has failed. */
static bool fill(struct flow *flow, char *buffer, int from, int to) {
    if (flow->ended || flow->start < flow->end)
        return true;
    ssize_t count = recv(from, buffer, BUFFER_BYTES, 0);
    if (count < 0)
        return errno == EAGAIN;
    *flow = (struct flow){ .end = (size_t)count, .ended = count == 0 };
    if (flow->ended)
        shutdown(to, SHUT_WR);
    return true;
}

/* Writes what the buffer holds. False if the socket has failed. */
static bool drain(struct flow *flow, const char *buffer, int to) {
    if (flow->start == flow->end)
        return true;
    ssize_t count = send(to, buffer + flow->start, flow->end - flow->start, MSG_NOSIGNAL);
    flow->start += count < 0 ? 0 : (size_t)count;
    return count >= 0 || errno == EAGAIN;
}

/* Does what can be done without waiting. False if the connection is over: both flows have ended, or the client has
 * failed, or the proxy has and its answer has been passed on. A proxy that takes no more has often said why before. */
static bool serve(struct connection *connection, char (*buffer)[BUFFER_BYTES], bool heard_client, bool heard_proxy) {
    struct flow *up = &connection->flows[UP], *down = &connection->flows[DOWN];
    int client = connection->client, proxy = connection->proxy;
    if (heard_client && !fill(up, buffer[UP], client, proxy))
        return false;
    if (!drain(up, buffer[UP], proxy))
        *up = (struct flow){ .ended = true };
    if (heard_proxy && !fill(down, buffer[DOWN], proxy, client))
        return false;
    return drain(down, buffer[DOWN], client) && !(up->ended && down->ended);
}

/* What to wait for at a socket that one flow comes from and another goes to. A socket that nothing is wanted of is left
 * out: its peer's end would be reported without end. */
static struct pollfd watch(int file, const struct flow *from, const struct flow *to) {
    int events = (from->ended || from->start < from->end ? 0 : POLLIN) | (to->start < to->end ? POLLOUT : 0);
    return (struct pollfd){ .fd = events ? file : -1, .events = (short)events };
}

static _Noreturn void forward(void) {
    static struct pollfd set[2 * CONNECTIONS_MAX + 1]; /* client and proxy of each connection, and the listener */
    struct pollfd *listener = &set[2 * capacity];
    for (bool paused = false;;) {
        bool room = false;
        for (size_t i = 0; i < capacity; i++) {
            const struct connection *connection = &connections[i];
            bool served = is_served(connection);
            set[2 * i] = watch(served ? connection->client : -1, &connection->flows[UP], &connection->flows[DOWN]);
            set[2 * i + 1] = watch(served ? connection->proxy : -1, &connection->flows[DOWN], &connection->flows[UP]);
            room = room || !served;
        }
        *listener = (struct pollfd){ .fd = room && !paused ? LISTENER : -1, .events = POLLIN };
        if (poll(set, 2 * capacity + 1, paused ? RETRY_MS : -1) < 0) {
            usleep(RETRY_MS * 1000);
            continue;
        }
        for (size_t i = 0; i < capacity; i++) {
            short client = set[2 * i].revents, proxy = set[2 * i + 1].revents;
            if ((client || proxy) && !serve(&connections[i], buffers[i], client & ~POLLOUT, proxy & ~POLLOUT))
                drop(&connections[i]);
        }
        if (paused || listener->revents)
            paused = !admit();
    }
}

/* Keeps the listener alone, so that nothing of the sandbox's depends on this process, and every other descriptor that
 * the limit allows can be a connection's. All others are below it: the lowest free one is what a new one gets. */
static _Noreturn void run(int listener) {
    struct rlimit files;
    dup2(listener, LISTENER);
    for (int file = LISTENER + 1; file <= listener; file++)
        close(file);
    getrlimit(RLIMIT_NOFILE, &files);
    size_t most = (size_t)(files.rlim_cur - 1) / 2;
    capacity = most < CONNECTIONS_MAX ? most : CONNECTIONS_MAX;
    for (size_t i = 0; i < capacity; i++)
        connections[i].client = connections[i].proxy = -1;
    forward();
}

pid_t forwarder_start(uint16_t port, void *secrets, size_t length) {
    struct sockaddr_in loopback = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(INADDR_LOOPBACK) }
    };
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&loopback, sizeof loopback) < 0
        || listen(listener, BACKLOG) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        explicit_bzero(secrets, length);
        run(listener);
    }
    close(listener);
    return pid;
}
