/* probes NAME [ARGUMENT]: one attempt at escape or overuse from inside a sandbox, made for `paddock doctor`. */
#include "probe.h"
#include <sys/wait.h>

enum { EXIT_USAGE = 64, TIME_SECONDS = 45 };

static const struct probe *const tables[] = {
    namespace_probes, kernel_probes, privilege_probes, init_probes, proc_probes, cgroup_probes,
    file_probes, device_probes, network_probes, resource_probes, neighbour_probes,
};
const char *argument;
pid_t victim = 1;

static void list(void) {
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (const struct probe *probe = tables[i]; probe->name; probe++)
            puts(probe->name);
}

static const struct probe *find(const char *name) {
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        for (const struct probe *probe = tables[i]; probe->name; probe++)
            if (strcmp(probe->name, name) == 0)
                return probe;
    return NULL;
}

static _Noreturn void usage(void) {
    dprintf(STDERR_FILENO, "usage: probes [--as-child] NAME [ARGUMENT] | probes [--as-child] --each NAME[=ARGUMENT]... | "
        "probes --wait WORD | probes --list\n");
    exit(EXIT_USAGE);
}

static void on_alarm(int number) {
    static const char line[] = "unknown: no answer in time\n";
    ssize_t written = write(STDOUT_FILENO, line, sizeof line - 1);
    (void)number;
    (void)written;
    _exit(UNKNOWN);
}

static _Noreturn void attempt(const struct probe *probe) {
    signal(SIGALRM, on_alarm);
    alarm(TIME_SECONDS);
    probe->attempt();
    unknown("%s came to no verdict", probe->name);
}

/* For controls of attacks on PID 1: the kernel protects any PID 1 from signals, whether it is our init or not, so the
 * victim is an ordinary process beside the probe. The descriptor is one that a careless parent hands down. */
static _Noreturn void stay_as_parent(const struct probe *probe) {
    int status;
    if (open("/", O_RDONLY | O_DIRECTORY) < 0 || (victim = fork()) < 0)
        unknown("no victim: %s", error_name(errno));
    if (victim == 0)
        for (;;)
            pause();
    pid_t child = fork();
    if (child < 0)
        unknown("no child: %s", error_name(errno));
    if (child == 0)
        attempt(probe);
    for (pid_t ended; (ended = wait(&status)) != child;)
        if (ended < 0)
            unknown("lost the child: %s", error_name(errno));
    kill(victim, SIGKILL);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static const struct probe *checked(const char *name, const char *given) {
    const struct probe *probe = find(name);
    if (!probe || (given && !probe->arguments) || (!given && probe->arguments && *probe->arguments != '['))
        usage();
    argument = given;
    return probe;
}

/* Runs probes one after another, each in a process of its own, and puts its name before its line. */
static void run_each(char **words, bool as_child) {
    for (; *words; words++) {
        char *given = strchr(*words, '=');
        int status = 0;
        if (given)
            *given++ = 0;
        const struct probe *probe = checked(*words, given);
        dprintf(STDOUT_FILENO, "%s ", probe->name);
        pid_t child = fork();
        if (child == 0 && as_child)
            stay_as_parent(probe);
        if (child == 0)
            attempt(probe);
        while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
            continue;
        if (child < 0)
            dprintf(STDOUT_FILENO, "unknown: no process for it: %s\n", error_name(errno));
        else if (WIFSIGNALED(status) || (as_child && WEXITSTATUS(status) > 128))
            dprintf(STDOUT_FILENO, "unknown: ended by a signal\n");
    }
}

int main(int count, char **arguments) {
    if (count == 2 && strcmp(arguments[1], "--list") == 0) {
        list();
        return 0;
    }
    if (count == 2 && strcmp(arguments[1], "--effective-user") == 0)
        return geteuid() == 0 ? EXECUTED_AS_ROOT : EXECUTED;
    bool as_child = count > 1 && strcmp(arguments[1], "--as-child") == 0;
    if (as_child) {
        count--;
        arguments++;
    }
    if (count == 3 && strcmp(arguments[1], "--wait") == 0) {
        puts("waiting");
        fflush(stdout);
        for (;;)
            pause();
    }
    if (count > 2 && strcmp(arguments[1], "--each") == 0) {
        run_each(arguments + 2, as_child);
        return 0;
    }
    if (count != 2 && count != 3)
        usage();
    const struct probe *probe = checked(arguments[1], arguments[2]);
    if (as_child)
        stay_as_parent(probe);
    attempt(probe);
}
