/* What the probes share. A probe makes one attempt at escape or overuse and ends the process with what came of it. */
#ifndef PADDOCK_PROBE_H
#define PADDOCK_PROBE_H
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* The exit codes. UNKNOWN: this kernel or place cannot tell, for example because the feature is not compiled in. */
enum { THROUGH = 0, HELD = 10, UNKNOWN = 20 };

/* One probe. `arguments` is NULL, `NAME` for one that must be given, or `[NAME]` for one that need not be. */
struct probe {
    const char *name, *arguments;
    void (*attempt)(void);
};
/* The probes of each file; an entry without a name ends a table. */
extern const struct probe namespace_probes[], kernel_probes[], privilege_probes[], init_probes[], proc_probes[],
    cgroup_probes[], file_probes[], device_probes[], network_probes[], resource_probes[], neighbour_probes[];

/* main.c: the probe's one argument, or NULL. */
extern const char *argument;
/* main.c: the process that attacks on PID 1 go for. It is 1, or with --as-child an ordinary process. */
extern pid_t victim;

/* verdict.c: each prints its line and ends the process. */
_Noreturn void through(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void held(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void unknown(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Ends with `WHAT: ERRNO`: held, or unknown where errno says that the kernel lacks the feature. */
_Noreturn void refused(const char *what);
/* For calls made with arguments that must fail after the permission check: through if that is how they failed. */
_Noreturn void refused_unless(int harmless, const char *what);
/* The name of an errno, as in `EPERM`. */
const char *error_name(int error);

/* tools.c: the argument as a number, or the default if none was given. */
uint64_t argument_number(uint64_t otherwise);
uint64_t now_ms(void);
void pause_ms(long milliseconds);
/* Reads the start of a file as a string; -1 if it cannot be opened or read. */
ssize_t read_text(const char *path, char *text, size_t size);
/* Copies this program to a path, with a mode; false with errno set. */
bool copy_self(const char *path, mode_t mode);
/* Runs a copy of this program as `user`, or as who we are with -1. Returns EXECUTED, EXECUTED_AS_ROOT or an errno. */
enum { EXECUTED = 200, EXECUTED_AS_ROOT = 201 };
int run_copy(const char *path, uid_t user);
#endif
