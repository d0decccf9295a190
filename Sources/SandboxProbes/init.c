/* Attacks on PID 1, the sandbox's init, which has the same user id as the agent. */
#include "probe.h"
#include <dirent.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/uio.h>

static const char *in_proc(const char *name) {
    static char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)victim, name);
    return path;
}

/* Where any static program of ours has its first page. */
extern const char __ehdr_start[];

static void read_memory_file(void) {
    char byte;
    int memory = open(in_proc("mem"), O_RDONLY | O_CLOEXEC);
    if (memory < 0 || pread(memory, &byte, 1, (off_t)(uintptr_t)__ehdr_start) != 1)
        refused("/proc/1/mem");
    through("read a byte of its memory");
}

static void read_memory_call(void) {
    char byte;
    struct iovec here = { &byte, 1 }, there = { (void *)(uintptr_t)__ehdr_start, 1 };
    if (process_vm_readv(victim, &here, 1, &there, 1, 0) != 1)
        refused("process_vm_readv");
    through("read a byte of its memory");
}

static void read_file_of(const char *name) {
    char text[256];
    ssize_t length = read_text(in_proc(name), text, sizeof text);
    if (length < 0)
        refused(in_proc(name));
    if (length == 0)
        held("%s: empty", in_proc(name));
    through("read %zd bytes of %s", length, in_proc(name));
}
static void read_environment(void) { read_file_of("environ"); }
static void read_maps(void) { read_file_of("maps"); }

static void follow_link(const char *name) {
    char path[32];
    snprintf(path, sizeof path, "%s", in_proc(name));
    if (open(path, O_PATH | O_CLOEXEC) < 0)
        refused(path);
    through("followed %s", path);
}
static void follow_root(void) { follow_link("root/."); }
static void follow_cwd(void) { follow_link("cwd/."); }
static void follow_executable(void) { follow_link("exe"); }

static void list_descriptors(void) {
    DIR *folder = opendir(in_proc("fd"));
    if (!folder)
        refused(in_proc("fd"));
    int count = -2; /* `.` and `..` */
    while (readdir(folder))
        count++;
    if (count <= 0)
        held("%s: empty", in_proc("fd"));
    through("sees its %d descriptors", count);
}

static void take_descriptor(void) {
    long process = syscall(SYS_pidfd_open, victim, 0);
    if (process < 0)
        refused("pidfd_open");
    if (syscall(SYS_pidfd_getfd, process, STDIN_FILENO, 0) < 0)
        refused("pidfd_getfd");
    through("took its standard input");
}

/* SEIZE does not stop it, and the end of the probe lets it go. */
static void trace(void) {
    if (ptrace(PTRACE_SEIZE, victim, NULL, NULL) < 0)
        refused("ptrace");
    through("traces it");
}

static void kill_it(void) {
    if (kill(victim, SIGKILL) < 0)
        refused("kill");
    pause_ms(300);
    if (kill(victim, 0) < 0 && errno == ESRCH)
        through("killed it");
    held("it lives on after SIGKILL");
}

static void stop_it(void) {
    char stat[512];
    if (kill(victim, SIGSTOP) < 0)
        refused("kill");
    pause_ms(300);
    if (read_text(in_proc("stat"), stat, sizeof stat) <= 0)
        unknown("%s: %s", in_proc("stat"), error_name(errno));
    kill(victim, SIGCONT);
    char *state = strrchr(stat, ')');
    if (!state || state[1] != ' ')
        unknown("%s is not understood", in_proc("stat"));
    if (state[2] == 'T')
        through("stopped it");
    held("it goes on after SIGSTOP");
}

/* The next four set what is set already. */
static void limit_it(void) {
    struct rlimit limit;
    if (prlimit(victim, RLIMIT_NOFILE, NULL, &limit) < 0 || prlimit(victim, RLIMIT_NOFILE, &limit, NULL) < 0)
        refused("prlimit");
    through("set its limit of open files");
}

static void move_it(void) {
    cpu_set_t processors;
    if (sched_getaffinity(victim, sizeof processors, &processors) < 0)
        unknown("sched_getaffinity: %s", error_name(errno));
    if (sched_setaffinity(victim, sizeof processors, &processors) < 0)
        refused("sched_setaffinity");
    through("chose its processors");
}

static void slow_it(void) {
    errno = 0;
    int priority = getpriority(PRIO_PROCESS, (id_t)victim);
    if (errno)
        unknown("getpriority: %s", error_name(errno));
    if (setpriority(PRIO_PROCESS, (id_t)victim, priority) < 0)
        refused("setpriority");
    through("set its priority");
}

static void slow_its_io(void) {
    const int IOPRIO_WHO_PROCESS = 1;
    long priority = syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, victim);
    if (priority < 0)
        refused("ioprio_get");
    if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, victim, priority) < 0)
        refused("ioprio_set");
    through("set its I/O priority");
}

const struct probe init_probes[] = {
    { "init-mem", NULL, read_memory_file },
    { "init-vm-read", NULL, read_memory_call },
    { "init-environ", NULL, read_environment },
    { "init-maps", NULL, read_maps },
    { "init-fd", NULL, list_descriptors },
    { "init-root", NULL, follow_root },
    { "init-cwd", NULL, follow_cwd },
    { "init-exe", NULL, follow_executable },
    { "init-getfd", NULL, take_descriptor },
    { "init-ptrace", NULL, trace },
    { "init-kill", NULL, kill_it },
    { "init-stop", NULL, stop_it },
    { "init-prlimit", NULL, limit_it },
    { "init-affinity", NULL, move_it },
    { "init-priority", NULL, slow_it },
    { "init-ioprio", NULL, slow_its_io },
    { NULL, NULL, NULL },
};
