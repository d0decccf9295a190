/* What a sandbox could learn of others, receive from careless parents, or leave behind. */
#include "probe.h"
#include <dirent.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>

extern char **environ;

/* Calls `found` for each process other than itself. */
static void each_process(void (*found)(int pid)) {
    DIR *folder = opendir("/proc");
    if (!folder)
        unknown("/proc: %s", error_name(errno));
    for (struct dirent *entry; (entry = readdir(folder));) {
        int pid = atoi(entry->d_name);
        if (pid > 0 && pid != getpid())
            found(pid);
    }
    closedir(folder);
}

static int strangers;
static void count_stranger(int pid) { strangers += pid != 1; }

static void see_processes(void) {
    each_process(count_stranger);
    if (strangers > 0)
        through("sees %d processes that are not its own", strangers);
    held("sees only itself and PID 1");
}

static void compare_command(int pid) {
    char path[64], command[4096];
    snprintf(path, sizeof path, "/proc/%d/cmdline", pid);
    ssize_t length = read_text(path, command, sizeof command);
    if (length > 0 && memmem(command, (size_t)length, argument, strlen(argument)))
        through("sees process %d of the other sandbox", pid);
}

/* The argument is in the command line of a process in another sandbox. */
static void see_other_sandbox(void) {
    each_process(compare_command);
    held("no process in sight belongs to the other sandbox");
}

/* The argument is a secret. */
static void find_secret(void) {
    static char text[256 << 10];
    for (char **variable = environ; *variable; variable++)
        if (strstr(*variable, argument))
            through("the environment holds the secret");
    ssize_t length = read_text("/proc/1/environ", text, sizeof text);
    if (length > 0 && memmem(text, (size_t)length, argument, strlen(argument)))
        through("the environment of PID 1 holds the secret");
    held("no environment in sight holds the secret");
}

/* What makes the dynamic linker load something, set by the image for programs of ours. */
static void loader_environment(void) {
    for (char **variable = environ; *variable; variable++)
        if (strncmp(*variable, "LD_", 3) == 0)
            through("%s", *variable);
    held("no LD_ in the environment");
}

/* CVE-2024-21626 began with a descriptor of the host that a runtime forgot to close. */
static void inherited_descriptor(void) {
    for (int number = 3; number < 1024; number++)
        if (fcntl(number, F_GETFD) >= 0)
            through("was handed descriptor %d", number);
    held("was handed only the three standard streams");
}

static void leave_segment(void) {
    int segment = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
    if (segment < 0)
        refused("shmget");
    shmctl(segment, IPC_RMID, NULL);
    through("made a segment that outlives it");
}

static void leave_queue(void) {
    int queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    if (queue < 0)
        refused("msgget");
    msgctl(queue, IPC_RMID, NULL);
    through("made a message queue that outlives it");
}

static void leave_semaphore(void) {
    int semaphore = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);
    if (semaphore < 0)
        refused("semget");
    semctl(semaphore, 0, IPC_RMID);
    through("made a semaphore that outlives it");
}

static void leave_posix_queue(void) {
    if (mq_open("/paddock-probe", O_RDWR | O_CREAT | O_CLOEXEC, 0600, NULL) < 0)
        refused("mq_open");
    mq_unlink("/paddock-probe");
    through("made a message queue that outlives it");
}

static const char output[] = "/run/paddock/output.json";

/* Whoever reads the output follows it to another file: the verdict is in the ending. */
static void link_output(void) {
    if (symlink("/etc/passwd", output) < 0)
        refused("symlink");
    through("the output is a link to /etc/passwd");
}

/* Whoever opens the output waits for ever: the verdict is in the ending. */
static void pipe_output(void) {
    if (mkfifo(output, 0600) < 0)
        refused("mkfifo");
    through("the output is a pipe without a writer");
}

/* For the control of the two above. */
static void write_output(void) {
    int file = open(output, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0 || write(file, "{}", 2) != 2)
        refused("the output file");
    through("wrote a plain output file");
}

const struct probe neighbour_probes[] = {
    { "other-processes", NULL, see_processes },
    { "other-sandbox", "MARK", see_other_sandbox },
    { "environment", "SECRET", find_secret },
    { "loader-environment", NULL, loader_environment },
    { "descriptors", NULL, inherited_descriptor },
    { "sysv-segment", NULL, leave_segment },
    { "sysv-queue", NULL, leave_queue },
    { "sysv-semaphore", NULL, leave_semaphore },
    { "posix-queue", NULL, leave_posix_queue },
    { "output-link", NULL, link_output },
    { "output-pipe", NULL, pipe_output },
    { "output-plain", NULL, write_output },
    { NULL, NULL, NULL },
};
