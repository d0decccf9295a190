/* What the kernel says: the limits and counters of the sandbox's cgroup (v1 and v2), and /proc. Any may be absent. */
#include "init.h"
#include <sys/resource.h>
#define CGROUP "/sys/fs/cgroup/"

/* Reads at most `size` bytes; an absent or unreadable file is empty. */
static size_t read_file(const char *path, char *buffer, size_t size) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    for (ssize_t count = 1; file >= 0 && count > 0 && length < size; length += count > 0 ? (size_t)count : 0)
        count = read(file, buffer + length, size - length);
    close(file);
    return length;
}

/* On v1 a file is in its controller's folder, on v2 in the cgroup's own. The number follows the key. What is not known
 * of the cgroup is what the reaped processes used, or 0. */
void read_counters(struct counter counters[COUNTERS]) {
    static const struct { unsigned counter, divisor; const char *path, *key; } sources[] = {
        { CPU_US, 1, CGROUP "cpu.stat", "\nusage_usec " },
        { CPU_US, 1000, CGROUP "cpuacct/cpuacct.usage", "\n" },
        { MEMORY_PEAK, 1, CGROUP "memory.peak", "\n" },
        { MEMORY_PEAK, 1, CGROUP "memory/memory.max_usage_in_bytes", "\n" },
        { OOM_KILL, 1, CGROUP "memory.events", "\noom_kill " },
        { OOM_KILL, 1, CGROUP "memory/memory.oom_control", "\noom_kill " },
        { PIDS_MAX, 1, CGROUP "pids.events", "\nmax " },
        { PIDS_MAX, 1, CGROUP "pids/pids.events", "\nmax " },
    };
    char text[4096] = "\n";
    struct rusage reaped;
    getrusage(RUSAGE_CHILDREN, &reaped);
    memset(counters, 0, COUNTERS * sizeof *counters);
    counters[CPU_US].value = (uint64_t)(reaped.ru_utime.tv_sec + reaped.ru_stime.tv_sec) * 1000000
        + (uint64_t)(reaped.ru_utime.tv_usec + reaped.ru_stime.tv_usec);
    counters[MEMORY_PEAK].value = (uint64_t)reaped.ru_maxrss * 1024;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        text[1 + read_file(sources[i].path, text + 1, sizeof text - 2)] = 0;
        const char *found = strstr(text, sources[i].key), *number = found ? found + strlen(sources[i].key) : "";
        if (*number >= '0' && *number <= '9')
            counters[sources[i].counter] = (struct counter){ true, strtoull(number, NULL, 10) / sources[i].divisor };
    }
}

/* Adds the cgroup's limits, and what /proc says of this process, to the report. */
void report_kernel(void *buffer) {
    static const char *const limits[] = {
        "memory/memory.limit_in_bytes", "memory/memory.memsw.limit_in_bytes", "memory/memory.swappiness",
        "cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us", "pids/pids.max",
        "memory.max", "memory.swap.max", "cpu.max", "pids.max",
    };
    static const struct { const char *name, *path; size_t most; } sections[] = {
        { "status", "/proc/self/status", 8 << 10 },
        { "net", "/proc/self/net/dev", 8 << 10 },
        { "mounts", "/proc/self/mountinfo", REPORT_BUFFER },
    };
    char path[128], value[256];
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        const char *slash = strchr(limits[i], '/');
        snprintf(path, sizeof path, CGROUP "%s", limits[i]);
        value[read_file(path, value, sizeof value - 1)] = 0;
        value[strcspn(value, "\n")] = 0;
        if (value[0])
            message_line("%s %s %s", slash ? "cgroup1" : "cgroup2", slash ? slash + 1 : limits[i], value);
    }
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        size_t length = read_file(sections[i].path, buffer, sections[i].most);
        message_line("@%s %zu", sections[i].name, length);
        message_bytes(buffer, length);
        message_bytes("\n", 1);
    }
}
