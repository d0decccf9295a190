/* Attempts to become another user, or root, or to hold a capability. */
#include "probe.h"
#include <grp.h>

/* gVisor knows no ambient set, and shows none. */
static void hold_capability(void) {
    static const char *const sets[] = { "CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:" };
    char status[8192];
    if (read_text("/proc/self/status", status, sizeof status) <= 0)
        unknown("/proc/self/status: %s", error_name(errno));
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        char *line = strstr(status, sets[i]);
        uint64_t set = line ? strtoull(line + strlen(sets[i]), NULL, 16) : 0;
        if (set != 0)
            through("%s %016" PRIx64, sets[i], set);
    }
    if (!strstr(status, "CapEff:"))
        unknown("/proc/self/status shows no capabilities");
    held("every set is empty");
}

static void gain_capability(void) {
    const uint32_t VERSION_3 = 0x20080522, CAP_NET_RAW_BIT = 1 << 13;
    struct { uint32_t version; int pid; } head = { VERSION_3, 0 };
    struct { uint32_t effective, permitted, inheritable; } sets[2] = { { CAP_NET_RAW_BIT, CAP_NET_RAW_BIT, 0 } };
    if (syscall(SYS_capset, &head, sets) < 0)
        refused("capset");
    through("has CAP_NET_RAW");
}

static void set_user_root(void) {
    if (setresuid(0, 0, 0) < 0)
        refused("setresuid");
    through("is user 0");
}

static void set_user_other(void) {
    if (setresuid(65534, 65534, 65534) < 0)
        refused("setresuid");
    through("is user 65534");
}

static void set_group_root(void) {
    if (setresgid(0, 0, 0) < 0)
        refused("setresgid");
    through("is group 0");
}

static void set_groups(void) {
    if (setgroups(1, &(gid_t){ 0 }) < 0)
        refused("setgroups");
    through("is in group 0");
}

static void judge_copy(int result, const char *path) {
    if (result == EXECUTED_AS_ROOT)
        through("%s ran as root", path);
    if (result == EXECUTED)
        held("%s ran, but as our own user", path);
    if (result == ENOENT)
        unknown("%s: ENOENT", path);
    errno = result;
    refused(path);
}

/* The image holds a copy of this program that belongs to root and has mode 4755. */
static void setuid_in_image(void) {
    judge_copy(run_copy(argument ? argument : "/probe-setuid", (uid_t)-1), "a set-user-id program of the image");
}

/* Whoever is root here makes the file and gives root up; others can make only one that is their own. */
static void setuid_in_tmp(void) {
    static const char path[] = "/tmp/paddock-probe-setuid";
    if (!copy_self(path, 04755))
        refused("making a set-user-id file in /tmp");
    int result = run_copy(path, geteuid() == 0 ? 65534 : (uid_t)-1);
    unlink(path);
    judge_copy(result, "a set-user-id program in /tmp");
}

const struct probe privilege_probes[] = {
    { "capabilities", NULL, hold_capability },
    { "capset", NULL, gain_capability },
    { "setuid-root", NULL, set_user_root },
    { "setuid-other", NULL, set_user_other },
    { "setgid-root", NULL, set_group_root },
    { "setgroups", NULL, set_groups },
    { "setuid-image", "[PATH]", setuid_in_image },
    { "setuid-tmp", NULL, setuid_in_tmp },
    { NULL, NULL, NULL },
};
