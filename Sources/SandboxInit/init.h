/* What the parts of the init share. docs/sandbox-init.md is the specification. */
#ifndef PADDOCK_INIT_H
#define PADDOCK_INIT_H
#include "frame.h" /* and what every part needs */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* main.c: waits until stdout can be written, and does what else comes up meanwhile. */
void await_stdout(void);
/* message.c: a report or trailer, one at a time, in base64 to stdout. */
void message_begin(const char *tag, size_t length);
void message_bytes(const void *bytes, size_t length);
void message_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void message_end(void);
/* counters.c: what the kernel counts for the sandbox's cgroup; none of it need be known. */
enum { CPU_US, MEMORY_PEAK, OOM_KILL, PIDS_MAX, COUNTERS, REPORT_BUFFER = 40 << 10 };
struct counter { bool known; uint64_t value; };
void read_counters(struct counter counters[COUNTERS]);
void report_kernel(void *buffer);
/* files.c: the files in /run/paddock. */
bool write_secrets(const struct frame *frame);
void report_output(uint64_t most, void *buffer, size_t size);
/* child.c: the child of the fork becomes the agent, or says how it failed to. */
enum { FAILURE_LENGTH = 64 };
_Noreturn void child_run(struct frame *frame, int input, char *failure);
#endif
