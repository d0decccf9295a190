/* Attempts to leave the cgroup, to loosen its limits, or to have the host run a program when it empties. */
#include "probe.h"
#include <sys/mount.h>
#include <sys/stat.h>

/* The mount that limits memory: of version 1, or the only one of version 2. */
static const char *memory_cgroup(void) {
    if (access("/sys/fs/cgroup/memory/cgroup.procs", F_OK) == 0)
        return "/sys/fs/cgroup/memory";
    if (access("/sys/fs/cgroup/cgroup.procs", F_OK) == 0)
        return "/sys/fs/cgroup";
    unknown("no cgroup file system in sight");
}

static const char *in_cgroup(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", memory_cgroup(), name);
    return path;
}

static void make_cgroup(void) {
    const char *path = in_cgroup("paddock-probe");
    if (mkdir(path, 0755) < 0)
        refused("mkdir in the cgroup");
    rmdir(path);
    through("made a cgroup");
}

/* Moves itself to the root of what it sees: harmless where that is its own cgroup. */
static void move_to_root(void) {
    int processes = open(in_cgroup("cgroup.procs"), O_WRONLY | O_CLOEXEC);
    if (processes < 0 || write(processes, "0", 1) != 1)
        refused("cgroup.procs");
    through("moved itself to %s", memory_cgroup());
}

/* Makes the mount writable if it can, and then sets the limit to what it is. */
static void set_limit(void) {
    char limit[64];
    mount(NULL, memory_cgroup(), NULL, MS_REMOUNT | MS_BIND, NULL);
    bool version1 = strcmp(memory_cgroup(), "/sys/fs/cgroup/memory") == 0;
    const char *path = in_cgroup(version1 ? "memory.limit_in_bytes" : "memory.max");
    ssize_t length = read_text(path, limit, sizeof limit);
    if (length <= 0)
        unknown("%s: %s", path, length < 0 ? error_name(errno) : "empty");
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, limit, (size_t)length) != length)
        refused(path);
    through("set its own memory limit");
}

/* Only version 1 has it. The program named there runs on the host, as root; it is opened, not written. */
static void open_release_agent(void) {
    static const char folder[] = "/tmp/paddock-probe-cgroup";
    const char *refusal = "release_agent";
    mkdir(folder, 0700);
    int file = open(in_cgroup("release_agent"), O_WRONLY | O_CLOEXEC);
    if (file < 0 && mount("cgroup", folder, "cgroup", 0, "memory") < 0)
        refusal = "mounting a cgroup";
    else if (file < 0) {
        file = open("/tmp/paddock-probe-cgroup/release_agent", O_WRONLY | O_CLOEXEC);
        int error = errno;
        umount2(folder, MNT_DETACH);
        errno = error;
    }
    int error = errno;
    rmdir(folder);
    errno = error;
    if (file < 0)
        refused(refusal);
    through("opened release_agent for writing");
}

const struct probe cgroup_probes[] = {
    { "cgroup-mkdir", NULL, make_cgroup },
    { "cgroup-move", NULL, move_to_root },
    { "cgroup-limit", NULL, set_limit },
    { "release-agent", NULL, open_release_agent },
    { NULL, NULL, NULL },
};
