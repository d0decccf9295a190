/* What was called: a line on stderr when a call, or one of its deciding arguments, is first seen. Nothing waits for the
 * end, which may be a SIGKILL. */
#include "recorder.h"
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NUMBERS = 1024, DETAILS = 256, MARKER = 32, LINE = 128 };
static bool seen[NUMBERS];
static struct detail { int32_t number; uint32_t first, second; } details[DETAILS];
static size_t detail_count;

/* Shorter than PIPE_BUF, so that it goes in whole beside what the agent writes. */
void record_line(const char *marker, const char *kind, unsigned first, unsigned second, unsigned third) {
    char text[LINE];
    int length = snprintf(text, sizeof text, "%.*s %s %u %u %u\n", MARKER, marker, kind, first, second, third);
    while (write(STDERR_FILENO, text, (size_t)length) < 0 && (errno == EAGAIN || errno == EINTR))
        poll(&(struct pollfd){ .fd = STDERR_FILENO, .events = POLLOUT }, 1, -1);
}

/* The arguments that tell one use of such a call from another; past the table's end they are left out. */
static void record_detail(const char *marker, const struct notification *call) {
    struct detail detail = { call->number, (uint32_t)call->arguments[0], (uint32_t)call->arguments[1] };
    if (call->number == SYS_ioctl)
        detail.first = 0;
    else if (call->number == SYS_prctl || call->number == SYS_clone)
        detail.second = 0;
    else if (call->number != SYS_socket)
        return;
    for (size_t i = 0; i < detail_count; i++)
        if (details[i].number == detail.number && details[i].first == detail.first
            && details[i].second == detail.second)
            return;
    if (detail_count == DETAILS)
        return;
    details[detail_count++] = detail;
    record_line(marker, "detail", (unsigned)detail.number, detail.first, detail.second);
}

void record_call(const char *marker, const struct notification *call) {
    if (call->number < 0 || call->number >= NUMBERS)
        return;
    if (!seen[call->number])
        record_line(marker, "call", (unsigned)call->number, 0, 0);
    seen[call->number] = true;
    record_detail(marker, call);
}
