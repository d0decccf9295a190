/* Attempts to reach devices. They are opened and read from, never written. */
#include "probe.h"
#include <dirent.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Makes a node of a character device in /tmp and reads from it; false with errno set. */
static bool read_node(dev_t number) {
    static const char path[] = "/tmp/paddock-probe-node";
    char record[8192];
    if (mknod(path, S_IFCHR | 0600, number) < 0)
        return false;
    int device = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ssize_t count = device < 0 ? -1 : read(device, record, sizeof record);
    int error = errno;
    unlink(path);
    errno = error;
    return count >= 0;
}

static void null_node(void) {
    if (!read_node(makedev(1, 3)))
        refused("a node of the null device in /tmp");
    through("made and opened a device node in /tmp");
}

static void kernel_log_node(void) {
    if (!read_node(makedev(1, 11)))
        refused("a node of /dev/kmsg");
    through("read a record of the kernel's log");
}

static bool is_usual(const char *name) {
    static const char *const usual[] = { "null", "zero", "full", "random", "urandom", "tty", "ptmx", "console" };
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        if (strcmp(name, usual[i]) == 0)
            return true;
    return false;
}

/* Any device node in /dev that not every container has. */
static void strange_device(void) {
    char path[512];
    DIR *folder = opendir("/dev");
    if (!folder)
        unknown("/dev: %s", error_name(errno));
    for (struct dirent *entry; (entry = readdir(folder));) {
        struct stat state;
        snprintf(path, sizeof path, "/dev/%s", entry->d_name);
        if (lstat(path, &state) == 0 && (S_ISBLK(state.st_mode) || S_ISCHR(state.st_mode))
            && !is_usual(entry->d_name) && open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC) >= 0)
            through("opened %s", path);
    }
    held("/dev has only the usual devices");
}

const struct probe device_probes[] = {
    { "device-tmp", NULL, null_node },
    { "kmsg-node", NULL, kernel_log_node },
    { "strange-device", NULL, strange_device },
    { NULL, NULL, NULL },
};
