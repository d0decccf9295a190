/* What /proc and /sys would tell or let it set. Writes put back what was read. */
#include "probe.h"
#include <dirent.h>

/* Opens it for writing and writes what it holds. */
static void rewrite(const char *path) {
    char value[1024];
    ssize_t length = read_text(path, value, sizeof value);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0 && errno == ENOENT)
        unknown("%s: ENOENT", path);
    if (file < 0)
        refused(path);
    if (length <= 0)
        through("opened %s for writing", path);
    if (write(file, value, (size_t)length) != length)
        refused(path);
    through("wrote %s", path);
}
static void write_sysctl(void) { rewrite("/proc/sys/vm/swappiness"); }
static void write_core_pattern(void) { rewrite("/proc/sys/kernel/core_pattern"); }
static void write_ipc_sysctl(void) { rewrite("/proc/sys/kernel/shmmni"); }
static void write_network_sysctl(void) { rewrite("/proc/sys/net/ipv4/ip_default_ttl"); }
static void write_sys(void) { rewrite(argument ? argument : "/sys/kernel/mm/ksm/sleep_millisecs"); }

/* Reads something that is masked for containers: then it is empty, or absent. */
static void read_masked(const char *path) {
    char text[256];
    ssize_t length = read_text(path, text, sizeof text);
    if (length < 0 && errno == ENOENT)
        unknown("%s: ENOENT", path);
    if (length < 0)
        refused(path);
    if (length == 0)
        held("%s: empty", path);
    through("read %zd bytes of %s", length, path);
}
static void read_keys(void) { read_masked("/proc/keys"); }
static void read_command_line(void) { read_masked("/proc/cmdline"); }
static void read_disks(void) { read_masked("/proc/diskstats"); }
static void read_timer_list(void) { read_masked("/proc/timer_list"); }

static void read_symbol_addresses(void) {
    char line[256];
    FILE *symbols = fopen("/proc/kallsyms", "re");
    if (!symbols && errno == ENOENT)
        unknown("/proc/kallsyms: ENOENT");
    if (!symbols)
        refused("/proc/kallsyms");
    for (int i = 0; i < 1000 && fgets(line, sizeof line, symbols); i++)
        if (strtoull(line, NULL, 16) != 0)
            through("read the address of a kernel function");
    held("/proc/kallsyms: no addresses");
}

/* With frame numbers a process knows where in physical memory its pages are, as Rowhammer wants it. */
static void read_frame_number(void) {
    const uint64_t FRAME_NUMBER = (UINT64_C(1) << 55) - 1;
    uint64_t entry = 0;
    int map = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    off_t offset = (off_t)((uintptr_t)&entry / (uintptr_t)sysconf(_SC_PAGESIZE) * sizeof entry);
    if (map < 0 && errno == ENOENT)
        unknown("/proc/self/pagemap: ENOENT");
    if (map < 0 || pread(map, &entry, sizeof entry, offset) != sizeof entry)
        refused("/proc/self/pagemap");
    if ((entry & FRAME_NUMBER) != 0)
        through("read the physical address of a page");
    held("/proc/self/pagemap: no frame numbers");
}

static void list_firmware(void) {
    DIR *folder = opendir("/sys/firmware");
    if (!folder && errno == ENOENT)
        unknown("/sys/firmware: ENOENT");
    if (!folder)
        refused("/sys/firmware");
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            through("sees /sys/firmware/%s", entry->d_name);
    held("/sys/firmware: empty");
}

const struct probe proc_probes[] = {
    { "sysctl", NULL, write_sysctl },
    { "core-pattern", NULL, write_core_pattern },
    { "ipc-sysctl", NULL, write_ipc_sysctl },
    { "network-sysctl", NULL, write_network_sysctl },
    { "write-sys", "[PATH]", write_sys },
    { "proc-keys", NULL, read_keys },
    { "proc-cmdline", NULL, read_command_line },
    { "proc-disks", NULL, read_disks },
    { "timer-list", NULL, read_timer_list },
    { "kallsyms", NULL, read_symbol_addresses },
    { "pagemap", NULL, read_frame_number },
    { "sys-firmware", NULL, list_firmware },
    { NULL, NULL, NULL },
};
