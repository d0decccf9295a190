/* Attempts to use more than the limits allow. Each argument is the amount that counts as through. */
#include "probe.h"
#include <netinet/in.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

enum { MIB = 1 << 20 };

/* Held, with how far it came. */
static _Noreturn void stopped(uint64_t count, const char *unit, const char *call) {
    held("%s after %" PRIu64 " %s: %s", call, count, unit, error_name(errno));
}

static _Noreturn void wait_for_end(void) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        pause();
}

static void fork_bomb(void) {
    uint64_t wanted = argument_number(1000), count = 0;
    pid_t *children = calloc(wanted, sizeof *children);
    if (!children)
        unknown("calloc: %s", error_name(errno));
    for (; count < wanted; count++) {
        children[count] = fork();
        if (children[count] == 0)
            wait_for_end();
        if (children[count] < 0)
            break;
    }
    int error = errno;
    for (uint64_t i = 0; i < count; i++)
        kill(children[i], SIGKILL);
    for (uint64_t i = 0; i < count; i++)
        waitpid(children[i], NULL, 0);
    errno = error;
    if (count < wanted)
        stopped(count, "processes", "fork");
    through("started %" PRIu64 " processes", count);
}

/* Beyond its limit it is killed, and prints nothing. */
static void memory(void) {
    uint64_t size = argument_number(1024) * MIB;
    char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        refused("mmap");
    for (uint64_t i = 0; i < size; i += 4096)
        bytes[i] = 1;
    through("got %" PRIu64 " MiB of memory", size / MIB);
}

static uint64_t own_cpu_ms(void) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

/*
 * The argument is in percent of one processor. What counts is the best of ten windows: on a busy host there can be
 * little for anybody most of the time.
 */
static void processor(void) {
    enum { WINDOWS = 10, WINDOW_US = 500000 };
    uint64_t wanted = argument_number(100), best = 0;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    volatile uint64_t *used = mmap(NULL, (size_t)processors * sizeof *used, PROT_READ | PROT_WRITE,
                                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (used == MAP_FAILED)
        unknown("mmap: %s", error_name(errno));
    for (long i = 0; i < processors; i++) {
        pid_t child = fork();
        if (child < 0)
            unknown("fork: %s", error_name(errno));
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            for (;;)
                used[i] = own_cpu_ms();
        }
    }
    for (int window = 0; window < WINDOWS && best < wanted; window++) {
        uint64_t before = 0, after = 0, start = now_ms();
        for (long i = 0; i < processors; i++)
            before += used[i];
        usleep(WINDOW_US);
        for (long i = 0; i < processors; i++)
            after += used[i];
        uint64_t percent = (after - before) * 100 / (now_ms() - start);
        if (percent > best)
            best = percent;
    }
    if (best < wanted)
        held("got at best %" PRIu64 " %% of a processor", best);
    through("got %" PRIu64 " %% of a processor", best);
}

/* A connection of two loopback sockets, both to be written to and neither read; false with errno set. */
static bool connect_loopback(int listener, const struct sockaddr_in *address, int ends[2]) {
    int size = 4 * MIB;
    ends[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (ends[0] < 0 || setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size) < 0
        || connect(ends[0], (const struct sockaddr *)address, sizeof *address) < 0)
        return false;
    ends[1] = accept(listener, NULL, NULL);
    return ends[1] >= 0;
}

/* Held is what the kernel takes for sockets whose other end never reads. */
static void tcp_memory(void) {
    enum { CONNECTIONS = 64 };
    static char bytes[64 << 10];
    uint64_t wanted = argument_number(256) * MIB, sent = 0;
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), ends[2];
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 1) < 0
        || getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        unknown("no listener: %s", error_name(errno));
    for (int i = 0; i < CONNECTIONS && sent < wanted; i++) {
        if (!connect_loopback(listener, &address, ends))
            stopped(sent / MIB, "MiB", "connect");
        for (int end = 0; end < 2; end++)
            for (ssize_t count; (count = send(ends[end], bytes, sizeof bytes, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0;)
                sent += (uint64_t)count;
    }
    if (sent < wanted)
        stopped(sent / MIB, "MiB", "send");
    through("TCP sockets hold %" PRIu64 " MiB", sent / MIB);
}

static void fill(const char *path, uint64_t mib) {
    static char bytes[64 << 10];
    const uint64_t size = mib * MIB;
    uint64_t written = 0;
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0)
        refused(path);
    memset(bytes, 'x', sizeof bytes);
    signal(SIGXFSZ, SIG_IGN);
    while (written < size) {
        ssize_t count = write(file, bytes, sizeof bytes);
        if (count <= 0)
            break;
        written += (uint64_t)count;
    }
    int error = errno;
    unlink(path);
    close(file);
    errno = error;
    if (written < size)
        stopped(written / MIB, "MiB", "write");
    through("wrote %" PRIu64 " MiB", mib);
}
static void fill_tmp(void) { fill("/tmp/paddock-probe", argument_number(128)); }
static void fill_shm(void) { fill("/dev/shm/paddock-probe", argument_number(16)); }
static void fill_run(void) { fill("/run/paddock/paddock-probe", argument_number(16)); }

static void many_files(void) {
    uint64_t wanted = argument_number(20000), count = 0;
    char path[64];
    int error = 0;
    for (; count < wanted; count++) {
        snprintf(path, sizeof path, "/tmp/paddock-probe-%" PRIu64, count);
        int file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (file < 0) {
            error = errno;
            break;
        }
        close(file);
    }
    for (uint64_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "/tmp/paddock-probe-%" PRIu64, i);
        unlink(path);
    }
    errno = error;
    if (count < wanted)
        stopped(count, "files", "open");
    through("made %" PRIu64 " files", count);
}

static void many_descriptors(void) {
    uint64_t wanted = argument_number(2048), count = 0;
    struct rlimit limit = { wanted + 16, wanted + 16 };
    setrlimit(RLIMIT_NOFILE, &limit);
    while (count < wanted && dup(STDIN_FILENO) >= 0)
        count++;
    if (count < wanted)
        stopped(count, "descriptors", "dup");
    through("opened %" PRIu64 " descriptors", count);
}

/* A file with a hole, so that it costs nothing. */
static void large_file(void) {
    static const char path[] = "/tmp/paddock-probe";
    uint64_t mib = argument_number(4096);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0)
        refused(path);
    signal(SIGXFSZ, SIG_IGN);
    int result = ftruncate(file, (off_t)(mib * MIB));
    int error = errno;
    unlink(path);
    errno = error;
    if (result < 0)
        refused("ftruncate");
    through("made a file of %" PRIu64 " MiB", mib);
}

static void lock_memory(void) {
    uint64_t kib = argument_number(16384);
    void *bytes = mmap(NULL, kib << 10, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (bytes == MAP_FAILED)
        refused("mmap");
    if (mlock(bytes, kib << 10) < 0)
        refused("mlock");
    through("locked %" PRIu64 " KiB of memory", kib);
}

static void dump_core(void) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = { RLIM_INFINITY, RLIM_INFINITY };
        setrlimit(RLIMIT_CORE, &limit);
        if (chdir("/tmp") < 0)
            _exit(1);
        abort();
    }
    if (child < 0 || waitpid(child, &status, 0) < 0)
        unknown("fork: %s", error_name(errno));
    unlink("/tmp/core");
    if (!WIFSIGNALED(status))
        unknown("the child did not crash");
    if (WCOREDUMP(status))
        through("dumped core");
    held("crashed without a core dump");
}

static void raise_priority(void) {
    if (setpriority(PRIO_PROCESS, 0, -5) < 0)
        refused("setpriority");
    through("runs before others");
}

/* The runner cuts the log: the verdict is in what arrives. */
static void flood_log(void) {
    char line[1024];
    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    uint64_t mib = argument_number(32);
    for (uint64_t written = 0; written < mib * MIB;) {
        ssize_t count = write(STDOUT_FILENO, line, sizeof line);
        if (count <= 0)
            refused("write");
        written += (uint64_t)count;
    }
    through("wrote %" PRIu64 " MiB to the log", mib);
}

const struct probe resource_probes[] = {
    { "fork-bomb", "[COUNT]", fork_bomb },
    { "memory", "[MIB]", memory },
    { "tcp-memory", "[MIB]", tcp_memory },
    { "cpu", "[PERCENT]", processor },
    { "tmp-bytes", "[MIB]", fill_tmp },
    { "tmp-inodes", "[COUNT]", many_files },
    { "shm-bytes", "[MIB]", fill_shm },
    { "run-bytes", "[MIB]", fill_run },
    { "open-files", "[COUNT]", many_descriptors },
    { "file-size", "[MIB]", large_file },
    { "memlock", "[KIB]", lock_memory },
    { "core-dump", NULL, dump_core },
    { "priority", NULL, raise_priority },
    { "log-flood", "[MIB]", flood_log },
    { NULL, NULL, NULL },
};
