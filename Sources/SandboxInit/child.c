/* What happens between fork and exec: the child sheds everything of the init's and becomes the agent. */
#include "init.h"
#include <sys/syscall.h>

/* Tells the init why: from the pipe, not from the exit code, it knows that the agent never ran. */
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

/* Exec closes all but the standard streams. Signals go last: those since the fork meet an agent without handlers. */
_Noreturn void child_run(struct frame *frame, int input, int error_pipe) {
    static const unsigned long default_action[8]; /* the kernel's struct sigaction: no handler, flags or mask */
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
    for (int number = 1; number <= 64; number++) /* signal() would leave out 32 to 34, the C library's own */
        syscall(SYS_rt_sigaction, number, default_action, NULL, 8);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execute(frame->arguments.strings, frame->environment.strings);
    fail(error_pipe, "exec");
}
