/* The life of the sandbox init, PID 1 of every sandbox: report, frame, launch, supervise, trailer. */
#include "init.h"
#include "forwarder.h"
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

enum { EXIT_FRAME = 70, EXIT_INIT = 71, EXIT_UNUSED = 72 };
enum { ACKNOWLEDGEMENT_US = 60000000, CPU_PAUSE_MIN_MS = 5, CPU_PAUSE_MAX_MS = 1000 };

static enum { WAITING, RUNNING, ENDED } phase;
static int signals; /* arrive as data in a descriptor, so that nothing ever interrupts the init */
static char mark[1 + NONCE_LENGTH + 2]; /* 0x1E, the nonce, a newline and NUL */
static size_t mark_left;                /* what is still to be written of it */
static uint8_t received[FRAME_BODY_MAX + FRAME_HEADER] __attribute__((aligned(4096))); /* the frame; wiped at launch */
static size_t received_length, body_length;
static bool asked; /* for another report */
static struct frame frame;
static struct {
    uint64_t left;     /* not read from stdin yet */
    int sink;          /* the agent's stdin, -1 once it is closed */
    size_t start, end; /* what the buffer holds for it */
    bool hung_up, done; /* done: all of it and the acknowledgement have been read, or what there was */
    char buffer[64 << 10] __attribute__((aligned(8))); /* before launch: for the report */
} input = { .sink = -1 };
static struct {
    pid_t pid, forwarder;
    int status;
    char *failure; /* shared with the child, which says here why the agent never ran */
    const char *stop;
    uint64_t killed, launched_us, wall_us;
    struct counter before[COUNTERS];
} agent;

static _Noreturn void quit(int code, const char *why) {
    dprintf(STDERR_FILENO, "paddock-init: %s\n", why);
    _exit(code);
}

static bool again(void) { return errno == EAGAIN || errno == EINTR; }

static uint64_t now_us(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Ends the execution; the trailer names the first cause that came before the agent's own end. */
static void end_because(const char *cause) {
    if (phase == RUNNING && !agent.stop)
        agent.stop = cause;
    phase = ENDED;
}

/* Reaps one process. The end of the first one ends the execution; any other that had to be killed is counted. */
static bool reap(int options) {
    int status;
    pid_t pid = waitpid(-1, &status, options | __WALL);
    if (pid > 0 && pid == agent.pid) {
        agent.pid = 0;
        agent.status = status;
        agent.wall_us = now_us() - agent.launched_us;
        phase = ENDED;
    } else if (pid > 0 && pid == agent.forwarder)
        agent.forwarder = 0;
    else if (pid > 0 && phase == ENDED && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        agent.killed++;
    return pid > 0;
}

/* Kills and reaps until no process is left, however fast they fork. */
static void kill_all(void) {
    do {
        kill(-1, SIGKILL);
        while (reap(WNOHANG))
            continue;
    } while (reap(0));
}

/* The next signal if the host sent it with kill(2), else 0. A process inside can state any sender's number in
 * rt_sigqueueinfo(2), and a signal of F_SETSIG has none, but neither has the code SI_USER. */
static int host_signal(void) {
    struct signalfd_siginfo info;
    bool host = read(signals, &info, sizeof info) == sizeof info && info.ssi_code == SI_USER && info.ssi_pid == 0;
    return host ? (int)info.ssi_signo : 0;
}

static void on_signal(int number) {
    if (phase == WAITING && (number == SIGTERM || number == SIGINT || number == SIGQUIT))
        quit(EXIT_UNUSED, "ended before a frame came");
    if (phase != RUNNING)
        return;
    if (number == SIGQUIT)
        end_because("kill");
    if (number == SIGTERM && !agent.stop)
        agent.stop = "term";
    if ((number == SIGTERM || number == SIGHUP || number == SIGINT || number == SIGUSR1 || number == SIGUSR2)
        && kill(-agent.pid, number) < 0)
        kill(agent.pid, number); /* it has no group yet, just after the fork */
}

/* Reads no byte beyond the frame, so that the input starts with the next read. */
static void read_frame(void) {
    size_t wanted = FRAME_HEADER + (received_length < FRAME_HEADER ? 0 : body_length);
    ssize_t count = read(STDIN_FILENO, received + received_length, wanted - received_length);
    if (count < 0 && again())
        return;
    if (count <= 0) /* the runner has gone: words here would be taken for the agent's */
        _exit(received_length == 0 ? EXIT_UNUSED : EXIT_FRAME);
    received_length += (size_t)count;
    if (received_length == FRAME_HEADER && memcmp(received, "PDK?\0\0\0", FRAME_HEADER) == 0) {
        asked = true;
        received_length = 0;
    }
    if (received_length == FRAME_HEADER && !frame_header(received, &body_length))
        quit(EXIT_FRAME, "not a frame");
    if (received_length == FRAME_HEADER + body_length && !frame_parse(received + FRAME_HEADER, body_length, &frame))
        quit(EXIT_FRAME, "bad frame");
}

/* Closes the agent's stdin, which is how it sees the end of its input. */
static void close_sink(void) {
    close(input.sink);
    input.sink = -1;
    input.start = input.end = 0;
}

/* The writers of stdin have gone, so what the pipe holds is all that comes: a broken input, or a runner that is away?
 * Known also while the agent is slow to take its input, and nothing is read. */
static void on_stdin_end(void) {
    int rest = 0;
    input.hung_up = true;
    ioctl(STDIN_FILENO, FIONREAD, &rest);
    if ((uint64_t)rest < input.left)
        end_because("input");
    else if ((uint64_t)rest == input.left && frame.hangup)
        end_because("hangup");
}

/* Reads the next part of the input, or after it the acknowledgement. */
static void read_stdin(void) {
    bool whole = input.left == 0;
    size_t most = whole ? 1 : input.left < sizeof input.buffer ? (size_t)input.left : sizeof input.buffer;
    ssize_t count = read(STDIN_FILENO, input.buffer, most);
    if (count < 0 && again())
        return;
    input.done = whole || count <= 0;
    if (count <= 0)
        on_stdin_end();
    else if (!whole) {
        input.left -= (uint64_t)count;
        input.start = 0;
        input.end = input.sink >= 0 ? (size_t)count : 0;
    }
}

/* Passes buffered input on; an agent that has closed its stdin loses the rest. */
static void write_sink(void) {
    ssize_t count = write(input.sink, input.buffer + input.start, input.end - input.start);
    input.start += count > 0 ? (size_t)count : 0;
    if ((count < 0 && !again()) || (input.start == input.end && input.left == 0))
        close_sink();
}

/* One wait, at most for the given time, for whatever this phase can bring; then does it. True if stdout can be written.
 * Children are reaped after a signal is read, so that no SIGCHLD is lost, and before it is obeyed, so that it is not
 * taken for the cause of their end. */
static bool turn(uint64_t pause_ms, bool wants_stdout) {
    bool full = input.start < input.end;
    bool deaf = input.done || (full && input.hung_up) || (phase == WAITING && wants_stdout);
    struct pollfd set[] = {
        { .fd = phase == ENDED ? -1 : signals, .events = POLLIN },
        { .fd = deaf ? -1 : STDIN_FILENO, .events = full ? 0 : POLLIN },
        { .fd = full ? input.sink : -1, .events = POLLOUT },
        { .fd = wants_stdout ? STDOUT_FILENO : -1, .events = POLLOUT },
        { .fd = mark_left > 0 ? STDERR_FILENO : -1, .events = POLLOUT },
    };
    if (poll(set, sizeof set / sizeof *set, pause_ms < INT32_MAX ? (int)pause_ms : INT32_MAX) < 0 && !again()) {
        if (phase == WAITING)
            quit(EXIT_INIT, "poll failed");
        end_because("error");
        input.done = true; /* nothing can be awaited any more, but the trailer can be written */
        set[3].revents = set[4].revents = POLLOUT;
        usleep(1000);
    }
    int number = set[0].revents ? host_signal() : 0;
    while (phase == RUNNING && reap(WNOHANG))
        continue;
    on_signal(number);
    if (set[1].revents)
        phase == WAITING ? read_frame() : full ? on_stdin_end() : read_stdin();
    if (set[2].revents)
        write_sink();
    if (set[4].revents)
        mark_left -= write(STDERR_FILENO, mark, mark_left) > 0 || !again() ? mark_left : 0; /* a pipe takes it whole */
    return set[3].revents != 0;
}

void await_stdout(void) {
    while (!turn(UINT64_MAX, true))
        continue;
}

/* Forks the agent, and before it the forwarder, so that the agent's first connection succeeds. Then forgets everything
 * in the frame that only the agent needed. */
static void launch(void) {
    int to_agent[2];
    if (frame.egress_port.given)
        agent.forwarder = forwarder_start((uint16_t)frame.egress_port.value, received, received_length);
    if (agent.forwarder < 0)
        quit(EXIT_INIT, "no egress forwarder");
    agent.failure = mmap(NULL, FAILURE_LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (agent.failure == MAP_FAILED || pipe2(to_agent, O_CLOEXEC) < 0 || fcntl(to_agent[1], F_SETFL, O_NONBLOCK) < 0)
        quit(EXIT_INIT, "no memory or no pipe");
    read_counters(agent.before);
    agent.launched_us = now_us();
    if ((agent.pid = fork()) == 0)
        child_run(&frame, to_agent[0], agent.failure);
    if (agent.pid < 0)
        quit(EXIT_INIT, "no fork");
    phase = RUNNING;
    close(to_agent[0]);
    input.sink = to_agent[1];
    input.left = frame.input_length.value;
    if (input.left == 0)
        close_sink();
    snprintf(mark, sizeof mark, "\x1e%s\n", frame.nonce);
    explicit_bzero(received, received_length);
    madvise(received, FRAME_BODY_MAX, MADV_DONTNEED);
}

/* CPU time since launch; what stands in for an unknown counter started at 0. */
static uint64_t cpu_used_us(const struct counter now[COUNTERS]) {
    return now[CPU_US].value - (now[CPU_US].known ? agent.before[CPU_US].value : 0);
}

/* Ends the agent at its CPU limit, or says in how many milliseconds all processors could have used up the rest. */
static uint64_t check_cpu(void) {
    struct counter now[COUNTERS];
    read_counters(now);
    uint64_t used_ms = cpu_used_us(now) / 1000;
    if (used_ms >= frame.cpu_ms.value)
        end_because("cpu");
    uint64_t pause = (frame.cpu_ms.value - used_ms) / (uint64_t)sysconf(_SC_NPROCESSORS_ONLN);
    return pause < CPU_PAUSE_MIN_MS ? CPU_PAUSE_MIN_MS : pause > CPU_PAUSE_MAX_MS ? CPU_PAUSE_MAX_MS : pause;
}

/* From launch to the end of the first process, or to a cause to end everything. */
static void supervise(void) {
    uint64_t deadline = frame.deadline_ms.value, cpu_check = frame.cpu_ms.given ? 0 : UINT64_MAX;
    while (phase == RUNNING) {
        uint64_t elapsed = (now_us() - agent.launched_us) / 1000;
        if (elapsed >= deadline)
            end_because("deadline");
        else if (elapsed >= cpu_check)
            cpu_check = elapsed + check_cpu();
        else
            turn((cpu_check < deadline ? cpu_check : deadline) - elapsed, false);
    }
}

/* How it ended, and what it used. */
static void report_end(void) {
    struct counter now[COUNTERS], *before = agent.before;
    struct statvfs tmp = { 0 };
    if (agent.failure[0])
        message_line("ended %s", agent.failure);
    else if (WIFSIGNALED(agent.status))
        message_line("ended signal %d", WTERMSIG(agent.status));
    else
        message_line("ended exit %d", WEXITSTATUS(agent.status));
    message_line("stop %s", agent.stop ? agent.stop : "none");
    read_counters(now);
    message_line("wall_us %" PRIu64, agent.wall_us);
    message_line("cpu_us %" PRIu64, cpu_used_us(now));
    message_line("memory_peak %" PRIu64, now[MEMORY_PEAK].value);
    for (int i = OOM_KILL; i <= PIDS_MAX; i++)
        if (now[i].known && before[i].known)
            message_line("%s %" PRIu64, i == OOM_KILL ? "oom_kill" : "pids_max", now[i].value - before[i].value);
    message_line("killed %" PRIu64, agent.killed);
    if (statvfs("/tmp", &tmp) == 0)
        message_line("tmp_free_bytes %" PRIu64, (uint64_t)tmp.f_bavail * tmp.f_frsize);
    if (tmp.f_files > 0) /* gVisor has no count of them */
        message_line("tmp_free_inodes %" PRIu64, (uint64_t)tmp.f_favail);
}

/* Everything else is dead by now, so nobody else writes to stdout or stderr, or changes the output. */
static void send_trailer(void) {
    mark_left = strlen(mark);
    message_begin(mark, 1 + NONCE_LENGTH);
    report_end();
    report_output(frame.output_max.value, received, sizeof input.buffer);
    message_end();
    while (mark_left > 0)
        turn(UINT64_MAX, false);
}

/* What the kernel holds now. */
static void send_report(void) {
    asked = false;
    message_begin("\x1e" "PADDOCK-READY", 1 + strlen("PADDOCK-READY"));
    report_kernel(input.buffer);
    message_end();
}

int main(void) {
    sigset_t all;
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || getpid() != 1)
        quit(EXIT_INIT, "runs only as PID 1 of a sandbox");
    if (syscall(SYS_close_range, STDERR_FILENO + 1, INT32_MAX, 0) < 0) /* before Linux 5.9; gVisor takes no ~0U */
        for (long file = STDERR_FILENO + 1, most = sysconf(_SC_OPEN_MAX); file < most && file < 1 << 16; file++)
            close((int)file);
    sigfillset(&all);
    signal(SIGCHLD, SIG_DFL); /* ignored, the kernel would reap for us */
    sigprocmask(SIG_SETMASK, &all, NULL);
    if ((signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK)) <= STDERR_FILENO)
        quit(EXIT_INIT, "no signalfd, or not all three standard streams");
    send_report();
    while (received_length < FRAME_HEADER || received_length < FRAME_HEADER + body_length) {
        turn(UINT64_MAX, false);
        if (asked)
            send_report();
    }
    launch();
    supervise();
    kill_all();
    close_sink();
    send_trailer();
    for (uint64_t start = now_us(); !input.done && now_us() - start < ACKNOWLEDGEMENT_US;)
        turn(1000, false);
    return 0;
}
