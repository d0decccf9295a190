/* Attempts to get namespaces, mounts or a root of its own, where capabilities and half of the kernel's holes await. */
#include "probe.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static void mount_tmpfs(void) {
    if (mount("none", "/tmp", "tmpfs", 0, "size=64k") < 0)
        refused("mount");
    umount2("/tmp", MNT_DETACH);
    through("mounted a tmpfs over /tmp");
}

static void unmount(void) {
    if (umount2("/tmp", MNT_DETACH) < 0)
        refused("umount2");
    through("unmounted /tmp");
}

static void remount_root(void) {
    if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) < 0)
        refused("mount with MS_REMOUNT");
    mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL);
    through("made the root file system writable");
}

/* The new mount API, which a filter that knows only mount(2) lets through. */
static void open_file_system(void) {
    if (syscall(SYS_fsopen, "tmpfs", 0) < 0)
        refused("fsopen");
    through("opened a tmpfs by fsopen");
}

static void clone_tree(void) {
    const unsigned int OPEN_TREE_CLONE_FLAG = 1;
    if (syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE_FLAG) < 0)
        refused("open_tree");
    through("cloned the mount of / by open_tree");
}

static void pivot(void) {
    if (chdir("/tmp") < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
        refused("pivot_root");
    through("made /tmp the root");
}

static void change_root(void) {
    if (chroot("/tmp") < 0)
        refused("chroot");
    through("made /tmp its root");
}

static void enter_new(int flag, const char *name) {
    if (unshare(flag) < 0)
        refused("unshare");
    through("is in a new %s namespace", name);
}
static void unshare_user(void) { enter_new(CLONE_NEWUSER, "user"); }
static void unshare_mount(void) { enter_new(CLONE_NEWNS, "mount"); }
static void unshare_pid(void) { enter_new(CLONE_NEWPID, "pid"); }
static void unshare_network(void) { enter_new(CLONE_NEWNET, "network"); }
static void unshare_ipc(void) { enter_new(CLONE_NEWIPC, "ipc"); }
static void unshare_uts(void) { enter_new(CLONE_NEWUTS, "uts"); }
static void unshare_cgroup(void) { enter_new(CLONE_NEWCGROUP, "cgroup"); }
static void unshare_time(void) { enter_new(CLONE_NEWTIME, "time"); }

/* gVisor has no file to enter by, but can refuse the call all the same. */
static void enter_namespace(void) {
    int namespace = open("/proc/self/ns/uts", O_RDONLY | O_CLOEXEC);
    if (setns(namespace, CLONE_NEWUTS) < 0) {
        if (errno == EBADF)
            unknown("setns: no namespace in sight");
        refused("setns");
    }
    through("entered a namespace by setns");
}

/* The child of either clone must not come back into the probe. */
static _Noreturn void judge_clone(long child, const char *call) {
    if (child == 0)
        _exit(0);
    if (child < 0)
        refused(call);
    waitpid((pid_t)child, NULL, 0);
    through("%s made a process in a user namespace of its own", call);
}

static void clone_user(void) { judge_clone(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), "clone"); }

/* No filter can see the flags of clone3, so it must look absent, as it is where it is absent. */
static void clone3_user(void) {
    struct {
        uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls;
    } arguments = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
    long child = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (child < 0 && errno == ENOSYS)
        held("clone3: ENOSYS");
    judge_clone(child, "clone3");
}

const struct probe namespace_probes[] = {
    { "mount", NULL, mount_tmpfs },
    { "umount", NULL, unmount },
    { "remount-root", NULL, remount_root },
    { "fsopen", NULL, open_file_system },
    { "open-tree", NULL, clone_tree },
    { "pivot-root", NULL, pivot },
    { "chroot", NULL, change_root },
    { "unshare-user", NULL, unshare_user },
    { "unshare-mount", NULL, unshare_mount },
    { "unshare-pid", NULL, unshare_pid },
    { "unshare-network", NULL, unshare_network },
    { "unshare-ipc", NULL, unshare_ipc },
    { "unshare-uts", NULL, unshare_uts },
    { "unshare-cgroup", NULL, unshare_cgroup },
    { "unshare-time", NULL, unshare_time },
    { "setns", NULL, enter_namespace },
    { "clone-user", NULL, clone_user },
    { "clone3-user", NULL, clone3_user },
    { NULL, NULL, NULL },
};
