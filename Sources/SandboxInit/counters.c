/* What the kernel says: the limits and counters of the sandbox's cgroup (v1 and v2), and /proc. Any may be absent. */
#include "init.h"
#include <dirent.h>
#include <sys/resource.h>
#include <sys/syscall.h>
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

/* How many processes there are; 0 where that cannot be read. Without opendir(3), which allocates. */
static unsigned count_processes(char *buffer) {
    unsigned count = 0;
    int folder = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (long length; folder >= 0 && (length = syscall(SYS_getdents64, folder, buffer, REPORT_BUFFER)) > 0;)
        for (long at = 0; at < length; at += ((struct dirent64 *)(buffer + at))->d_reclen) {
            const char *name = ((struct dirent64 *)(buffer + at))->d_name;
            count += *name >= '1' && *name <= '9';
        }
    close(folder);
    return count;
}

/* Adds what holds this process: its cgroup's limits, the kernel's settings, and what /proc says of it. */
void report_kernel(void *buffer) {
    static const struct { const char *key, *path, *names[6]; } lines[] = {
        { "cgroup1 memory.", CGROUP "memory/memory.", { "limit_in_bytes", "memsw.limit_in_bytes", "swappiness",
            "kmem.tcp.limit_in_bytes" } },
        { "cgroup1 cpu.", CGROUP "cpu/cpu.", { "cfs_quota_us", "cfs_period_us" } },
        { "cgroup1 pids.", CGROUP "pids/pids.", { "max" } },
        { "cgroup2 ", CGROUP, { "memory.max", "memory.swap.max", "cpu.max", "pids.max" } },
        { "sysctl kernel/", "/proc/sys/kernel/", { "shm_rmid_forced", "shmmni", "shmall", "msgmni", "sem" } },
        { "sysctl fs/mqueue/", "/proc/sys/fs/mqueue/", { "queues_max" } },
        { "", "/proc/self/", { "oom_score_adj" } },
    };
    static const struct { const char *name, *path; } sections[] = {
        { "status", "/proc/self/status" }, { "limits", "/proc/self/limits" },
        { "net", "/proc/self/net/dev" }, { "mounts", "/proc/self/mountinfo" },
    };
    char path[128], value[256];
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        for (const char *const *name = lines[i].names; *name; name++) {
            snprintf(path, sizeof path, "%s%s", lines[i].path, *name);
            value[read_file(path, value, sizeof value - 1)] = 0;
            for (char *end = value; *(end += strcspn(end, "\t\n"));)
                *end = *end == '\t' ? ' ' : 0;
            if (value[0])
                message_line("%s%s %s", lines[i].key, *name, value);
        }
    message_line("processes %u", count_processes(buffer));
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        size_t length = read_file(sections[i].path, buffer, REPORT_BUFFER);
        message_line("@%s %zu", sections[i].name, length);
        message_bytes(buffer, length);
        message_bytes("\n", 1);
    }
}
