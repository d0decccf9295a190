/* What happens between fork and exec: the child sheds everything of the init's and becomes the agent. */
#include "init.h"
#include <sys/syscall.h>

/* Tells the init why: from this, not from the exit code, it knows that the agent never ran. */
static _Noreturn void fail(char *failure, const char *stage) {
    snprintf(failure, FAILURE_LENGTH, "start_error %s %d", stage, errno);
    _exit(127);
}

/* Exec closes all but the standard streams. Signals go last: those since the fork meet an agent without handlers.
 * The program is looked up in the agent's own PATH, which execvpe takes from the caller's environment. */
_Noreturn void child_run(struct frame *frame, int input, char *failure) {
    static const unsigned long none[8]; /* to the kernel an empty mask, or a sigaction without handler, flags or mask */
    static char *default_path[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL };
    explicit_bzero(frame->nonce, NONCE_LENGTH);
    setsid();
    if (!write_secrets(frame))
        fail(failure, "secret");
    if (dup2(input, STDIN_FILENO) < 0)
        fail(failure, "stdin");
    if (chdir(frame->directory) < 0)
        fail(failure, "chdir");
    for (int number = 1; number <= 64; number++) /* signal() would leave out 32 to 34, the C library's own */
        syscall(SYS_rt_sigaction, number, none, NULL, 8);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, none, NULL, 8);
    environ = frame->environment.strings;
    if (!getenv("PATH"))
        environ = default_path;
    execvpe(frame->arguments.strings[0], frame->arguments.strings, frame->environment.strings);
    fail(failure, "exec");
}
