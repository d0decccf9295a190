/* The child that becomes the agent: it puts itself under a filter that tells of every call, and executes the program. */
#include "recorder.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SET_MODE_FILTER = 1, NEW_LISTENER = 1 << 3, WAIT_KILLABLE = 1 << 5 };

/* Every call, of every thread and child from here on. A call waits until it is answered; without WAIT_KILLABLE, which
 * kernels before 5.19 do not have, a signal that comes meanwhile makes it begin again. */
static int install_filter(void) {
    static struct { uint16_t code; uint8_t if_true, if_false; uint32_t k; } tell[] = { { 0x06, 0, 0, 0x7FC00000 } };
    static struct { uint16_t length; void *filter; } program = { 1, tell };
    long listener = syscall(SYS_seccomp, SET_MODE_FILTER, NEW_LISTENER | WAIT_KILLABLE, &program);
    if (listener < 0 && errno == EINVAL)
        listener = syscall(SYS_seccomp, SET_MODE_FILTER, NEW_LISTENER, &program);
    return listener < 0 ? -errno : (int)listener;
}

/* Like the init's: the program is looked up in the agent's own PATH. */
static noreturn void become(char **arguments, volatile int *listener) {
    static char *default_path[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL };
    char **environment = environ;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (!getenv("PATH"))
        environ = default_path;
    /* Nothing may be called between the filter and this: a call would wait for a parent that does not listen yet. */
    *listener = install_filter();
    if (*listener < 0)
        _exit(127);
    execvpe(arguments[0], arguments, environment);
    dprintf(STDERR_FILENO, "%s: %s\n", arguments[0], strerror(errno));
    _exit(127);
}

/* With the descriptors shared, the listener that the child gets is the parent's as well: no call hands it over. It is
 * closed on exec, which gives the child descriptors of its own. */
pid_t agent_start(char **arguments, volatile int *listener) {
    pid_t pid = (pid_t)syscall(SYS_clone, 0x400 /* CLONE_FILES */ | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0)
        become(arguments, listener);
    return pid;
}
