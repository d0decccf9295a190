/* What the recorder's parts share, and the kernel's interface for seccomp notifications, which musl has no header for.
 * seccomp(2), seccomp_unotify(2). */
#ifndef PADDOCK_RECORDER_H
#define PADDOCK_RECORDER_H
#include <stdint.h>
#include <stdnoreturn.h>
#include <sys/types.h>

struct notification {
    uint64_t id;
    uint32_t pid, flags;
    int32_t number;
    uint32_t architecture;
    uint64_t instruction, arguments[6];
};
struct answer {
    uint64_t id;
    int64_t value;
    int32_t error;
    uint32_t flags;
};
enum { NOTIFICATION_RECEIVE = (int)0xC0502100, NOTIFICATION_SEND = (int)0xC0182101, NOTIFICATION_SET_FLAGS = 0x40082104 };
enum { ANSWER_CONTINUE = 1 };
#define SYNC_WAKE_UP 1UL

/* agent.c: starts the agent. *LISTENER becomes the descriptor of its notifications, or minus the error that kept it from
 * having any; until then it is 0. */
pid_t agent_start(char **arguments, volatile int *listener);
/* record.c: tells of a call that is new; writes a line to stderr, behind the marker. */
void record_call(const char *marker, const struct notification *call);
void record_line(const char *marker, const char *kind, unsigned first, unsigned second, unsigned third);
#endif
