/* System calls with a record of holes, and those that administer the host. Those that could change the host are made so
 * that they fail after the permission check. */
#include "probe.h"
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/personality.h>
#include <sys/swap.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/wait.h>

static const char absent[] = "/paddock-probe-absent";

static void io_uring(void) {
    uint64_t parameters[15] = { 0 };
    if (syscall(SYS_io_uring_setup, 1, parameters) < 0)
        refused("io_uring_setup");
    through("made an io_uring");
}

/* The host has one number of events for all, fs.aio-max-nr. One is enough to see. */
static void asynchronous_io(void) {
    void *context = NULL;
    if (syscall(SYS_io_setup, 1, &context) < 0)
        refused("io_setup");
    through("made a context of asynchronous I/O");
}

/* A keyring is not confined by any namespace. The process's own goes with it. */
static void add_key(void) {
    const int KEY_SPEC_PROCESS_KEYRING = -2;
    if (syscall(SYS_add_key, "user", "paddock-probe", "x", 1, KEY_SPEC_PROCESS_KEYRING) < 0)
        refused("add_key");
    through("stored a key in the kernel");
}

static void keyctl(void) {
    const int KEYCTL_JOIN_SESSION_KEYRING = 1;
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0)
        refused("keyctl");
    through("made a session keyring");
}

static void bpf(void) {
    enum { BPF_MAP_CREATE = 0, BPF_MAP_TYPE_ARRAY = 2 };
    struct {
        uint32_t type, key_size, value_size, max_entries, flags, rest[27];
    } map = { .type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1 };
    if (syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map) < 0)
        refused("bpf");
    through("made a BPF map");
}

static void perf_event(void) {
    enum { PERF_TYPE_SOFTWARE = 1, EXCLUDE_KERNEL_AND_HYPERVISOR = 1 << 5 | 1 << 6 };
    struct {
        uint32_t type, size;
        uint64_t config, period, sample_type, read_format, flags, rest[2];
    } event = { .type = PERF_TYPE_SOFTWARE, .size = sizeof event, .flags = EXCLUDE_KERNEL_AND_HYPERVISOR };
    if (syscall(SYS_perf_event_open, &event, 0, -1, -1, 0) < 0)
        refused("perf_event_open");
    through("opened a performance counter");
}

static void userfaultfd(void) {
    const int UFFD_USER_MODE_ONLY = 1;
    if (syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY) < 0)
        refused("userfaultfd");
    through("handles page faults by itself");
}

/* By inode 2, the root of ext4: a container that may do this reads the whole disk of the host. */
static void open_by_handle(void) {
    struct {
        struct file_handle head;
        uint32_t inode, generation;
    } handle = { .head = { .handle_bytes = 8, .handle_type = 1 }, .inode = 2 };
    int mount = open("/etc/hosts", O_RDONLY | O_CLOEXEC);
    if (mount < 0)
        unknown("/etc/hosts: %s", error_name(errno));
    if (open_by_handle_at(mount, &handle.head, O_RDONLY | O_CLOEXEC) < 0)
        refused_unless(ESTALE, "open_by_handle_at");
    through("opened the root folder of the disk that holds /etc/hosts");
}

static void personality_without_aslr(void) {
    if (personality(ADDR_NO_RANDOMIZE) < 0)
        refused("personality");
    personality(0);
    through("turned the randomising of addresses off");
}

static void modify_ldt(void) {
#if defined(__x86_64__)
    const int WRITE = 1, SEGMENT_OF_32_BITS_IN_PAGES = 1 | 1 << 4;
    uint32_t entry_base_limit_flags[4] = { 0, 0, 0xFFFFF, SEGMENT_OF_32_BITS_IN_PAGES };
    if (syscall(SYS_modify_ldt, WRITE, entry_base_limit_flags, sizeof entry_base_limit_flags) < 0)
        refused("modify_ldt");
    through("wrote a segment descriptor");
#else
    unknown("only on x86-64");
#endif
}

/* The 32-bit entry, behind which the kernel has a second table of system calls that a filter may have forgotten. */
static void compat_call(void) {
#if defined(__x86_64__)
    int status;
    pid_t child = fork();
    if (child == 0) {
        const long getpid_of_i386 = 20;
        long answer;
        __asm__ volatile("int $0x80" : "=a"(answer) : "a"(getpid_of_i386) : "memory", "r8", "r9", "r10", "r11");
        _exit(answer == getpid() ? 0 : answer < 0 && answer > -128 ? (int)-answer : EINVAL);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0)
        unknown("fork: %s", error_name(errno));
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        held("int 0x80: SIGSYS");
    if (WIFSIGNALED(status))
        unknown("int 0x80: signal %d", WTERMSIG(status));
    if (WEXITSTATUS(status) == 0)
        through("made a 32-bit system call");
    errno = WEXITSTATUS(status);
    refused("int 0x80");
#else
    unknown("only on x86-64");
#endif
}

/* The far end of a terminal of its own, or -1. */
static int open_terminal(void) {
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0 || grantpt(terminal) < 0 || unlockpt(terminal) < 0)
        return -1;
    return open(ptsname(terminal), O_RDWR | O_NOCTTY | O_CLOEXEC);
}

/* Types into a terminal as if its user had. Where it can open none, it still sees whether the call is refused. */
static void type_into_terminal(void) {
    int terminal = open_terminal(), status;
    if (terminal < 0)
        terminal = STDIN_FILENO;
    pid_t child = fork();
    if (child == 0) {
        setsid();
        ioctl(terminal, TIOCSCTTY, 0);
        if (ioctl(terminal, TIOCSTI, "x") == 0)
            through("typed into a terminal");
        if (errno == ENOTTY)
            unknown("TIOCSTI: no terminal");
        refused("TIOCSTI");
    }
    if (child < 0 || waitpid(child, &status, 0) < 0 || !WIFEXITED(status))
        unknown("lost the child");
    _exit(WEXITSTATUS(status));
}

static void read_kernel_log(void) {
    static char log[64 << 10];
    const int SYSLOG_ACTION_READ_ALL = 3;
    int length = klogctl(SYSLOG_ACTION_READ_ALL, log, sizeof log);
    if (length < 0)
        refused("syslog");
    through("read %d bytes of the kernel's log", length);
}

static void set_time(void) {
    struct timezone beyond_range = { .tz_minuteswest = 100000 };
    if (syscall(SYS_settimeofday, NULL, &beyond_range) < 0)
        refused_unless(EINVAL, "settimeofday");
    through("set the time zone of the kernel");
}

static void adjust_time(void) {
    struct timex beyond_range = { .modes = ADJ_TICK, .tick = 0 };
    if (syscall(SYS_adjtimex, &beyond_range) < 0)
        refused_unless(EINVAL, "adjtimex");
    through("set the tick of the kernel's clock");
}

static void account(void) {
    if (acct(absent) < 0)
        refused_unless(ENOENT, "acct");
    through("turned process accounting on");
}

static void swap_on(void) {
    if (swapon(absent, 0) < 0)
        refused_unless(ENOENT, "swapon");
    through("turned swap on");
}

/* Before it looks for the device, the kernel checks no permission: that it looks at all is what must not be. */
static void quota(void) {
    const int Q_GETQUOTA_OF_USER = (int)0x80000700;
    char buffer[256];
    if (syscall(SYS_quotactl, Q_GETQUOTA_OF_USER, absent, 0, buffer) < 0)
        refused_unless(ENOENT, "quotactl");
    through("read a quota");
}

static void reboot_badly(void) {
    const unsigned int no_magic = 0;
    if (syscall(SYS_reboot, no_magic, no_magic, 0, NULL) < 0)
        refused_unless(EINVAL, "reboot");
    through("reboot took a false magic number");
}

static void set_hostname(void) {
    char name[65];
    if (gethostname(name, sizeof name) < 0)
        unknown("gethostname: %s", error_name(errno));
    if (sethostname(name, strnlen(name, sizeof name)) < 0)
        refused("sethostname");
    through("set the host name to what it was");
}

const struct probe kernel_probes[] = {
    { "io-uring", NULL, io_uring },
    { "aio", NULL, asynchronous_io },
    { "add-key", NULL, add_key },
    { "keyctl", NULL, keyctl },
    { "bpf", NULL, bpf },
    { "perf-event", NULL, perf_event },
    { "userfaultfd", NULL, userfaultfd },
    { "open-by-handle", NULL, open_by_handle },
    { "personality", NULL, personality_without_aslr },
    { "modify-ldt", NULL, modify_ldt },
    { "compat-call", NULL, compat_call },
    { "tiocsti", NULL, type_into_terminal },
    { "kernel-log", NULL, read_kernel_log },
    { "set-time", NULL, set_time },
    { "adjust-time", NULL, adjust_time },
    { "acct", NULL, account },
    { "swapon", NULL, swap_on },
    { "quotactl", NULL, quota },
    { "reboot", NULL, reboot_badly },
    { "set-hostname", NULL, set_hostname },
    { NULL, NULL, NULL },
};
