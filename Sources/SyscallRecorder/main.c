/* recorder MARKER PROGRAM ARGUMENT...: runs a program, tells which system calls it makes, its threads and children
 * included, and ends as it does. docs/seccomp.md tells the way. */
#include "recorder.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_RECORDER = 71 };

static noreturn void quit(const char *why) {
    dprintf(STDERR_FILENO, "paddock-recorder: %s: %s\n", why, strerror(errno));
    _exit(EXIT_RECORDER);
}

/* The child may be ready, or dead, before this looks. */
static int await_listener(pid_t agent, volatile int *listener) {
    siginfo_t info = { 0 };
    while (*listener == 0 && waitid(P_PID, (id_t)agent, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0)
        usleep(100);
    return *listener;
}

/* A call that its process does not wait for any more is none. */
static void answer_one(int listener, const char *marker) {
    struct notification call;
    struct answer answer = { .flags = ANSWER_CONTINUE };
    memset(&call, 0, sizeof call);
    if (ioctl(listener, NOTIFICATION_RECEIVE, &call) < 0)
        return;
    record_call(marker, &call);
    answer.id = call.id;
    ioctl(listener, NOTIFICATION_SEND, &answer);
}

/* The init signals the group. An agent that has left it gets its signals from here. */
static void on_signal(int signals, pid_t agent) {
    struct signalfd_siginfo info;
    if (read(signals, &info, sizeof info) == sizeof info && info.ssi_signo != SIGCHLD && getpgid(agent) != getpgrp())
        kill(agent, (int)info.ssi_signo);
}

/* Until the agent's first process ends: its status. */
static int supervise(pid_t agent, int listener, int signals, const char *marker) {
    struct pollfd set[] = { { .fd = listener, .events = POLLIN }, { .fd = signals, .events = POLLIN } };
    int status;
    while (waitpid(agent, &status, WNOHANG) != agent) {
        if (poll(set, 2, -1) < 0)
            continue;
        if (set[0].revents & POLLIN)
            answer_one(listener, marker);
        else if (set[0].revents)
            set[0].fd = -1; /* nobody is left under the filter */
        if (set[1].revents)
            on_signal(signals, agent);
    }
    return status;
}

static noreturn void end_as(int status) {
    sigset_t set;
    if (WIFSIGNALED(status)) {
        signal(WTERMSIG(status), SIG_DFL);
        sigfillset(&set);
        sigprocmask(SIG_UNBLOCK, &set, NULL);
        raise(WTERMSIG(status));
    }
    _exit(WEXITSTATUS(status));
}

int main(int count, char **arguments) {
    sigset_t all;
    if (count < 3)
        quit("needs a marker and a program");
    volatile int *listener = mmap(NULL, sizeof *listener, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    int signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (listener == MAP_FAILED || signals < 0)
        quit("cannot begin");
    pid_t agent = agent_start(arguments + 2, listener);
    if (agent < 0)
        quit("no process for the agent");
    int ready = await_listener(agent, listener);
    record_line(arguments[1], ready < 0 ? "unavailable" : "ready", ready < 0 ? (unsigned)-ready : 0, 0, 0);
    ioctl(ready, NOTIFICATION_SET_FLAGS, SYNC_WAKE_UP); /* since 6.6: both on one processor, six times as fast */
    int status = supervise(agent, ready > 0 ? ready : -1, signals, arguments[1]);
    end_as(status);
}
