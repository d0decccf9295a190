/* What happens between fork and exec: the child sheds everything of the init's and becomes the agent. */
#include "init.h"
#include <sys/syscall.h>

/* Tells the init why; it knows from the pipe, not from the exit code, that the agent never ran. */
static _Noreturn void fail(int error_pipe, const char *stage) {
    dprintf(error_pipe, "start_error %s %d", stage, errno);
    _exit(127);
}

/* Looks the program up in the agent's own PATH; execvpe takes that from the caller's environment. */
static void execute(char *const *arguments, char *const *environment) {
    char default_path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    char *lookup[] = { default_path, NULL };
    for (size_t i = 0; environment[i] && lookup[0] == default_path; i++)
        if (strncmp(environment[i], "PATH=", 5) == 0)
            lookup[0] = environment[i];
    environ = lookup;
    execvpe(arguments[0], arguments, environment);
}

/* All but the standard streams is left to exec to close, also what somebody outside forgot to. The signals go last:
 * those that came since the fork are delivered then, to an agent with no handlers yet. */
_Noreturn void child_run(struct frame *frame, int input, int error_pipe) {
    sigset_t none;
    explicit_bzero(frame->nonce, NONCE_LENGTH);
    setsid();
    if (!write_secrets(frame))
        fail(error_pipe, "secret");
    if (dup2(input, STDIN_FILENO) < 0)
        fail(error_pipe, "stdin");
    if (syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) < 0)
        for (int file = STDERR_FILENO + 1; file < 1 << 16; file++)
            fcntl(file, F_SETFD, FD_CLOEXEC);
    if (chdir(frame->directory) < 0)
        fail(error_pipe, "chdir");
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execute(frame->arguments.strings, frame->environment.strings);
    fail(error_pipe, "exec");
}
