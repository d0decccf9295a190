/* Messages to the runner: printable ASCII in short lines, so that every log driver of the Engine keeps them exactly. */
#include "init.h"
#include <stdarg.h>

enum { LINE_BYTES = 6000, LINE_CHARACTERS = LINE_BYTES / 3 * 4, PIPE_SAFE = 4096 };
static uint8_t line[LINE_BYTES];
static size_t line_length;

/* Writes no more at once than a pipe that polls as writable takes without blocking. A short write, EAGAIN and EINTR are
 * waited out; after any other error nobody reads any more. */
static void write_text(const char *text, size_t length) {
    while (length > 0) {
        await_stdout();
        ssize_t count = write(STDOUT_FILENO, text, length < PIPE_SAFE ? length : PIPE_SAFE);
        if (count < 0 && errno != EAGAIN && errno != EINTR)
            return;
        text += count < 0 ? 0 : count;
        length -= count < 0 ? 0 : (size_t)count;
    }
}

/* Writes the line in base64; only the last of a message has a length that needs padding. */
static void write_line(const char *end) {
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[LINE_CHARACTERS];
    size_t length = 0;
    for (size_t at = 0; at < line_length; at += 3) {
        size_t rest = line_length - at;
        uint32_t bits = line[at] * 0x10000U | (rest > 1 ? line[at + 1] * 0x100U : 0) | (rest > 2 ? line[at + 2] : 0U);
        for (size_t i = 0; i < 4; i++)
            text[length++] = i <= rest ? alphabet[bits >> (18 - 6 * i) & 63] : '=';
    }
    write_text(text, length);
    write_text(end, strlen(end));
    line_length = 0;
}

void message_bytes(const void *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        if (line_length == LINE_BYTES)
            write_line("\n");
        line[line_length++] = ((const uint8_t *)bytes)[i];
    }
}

/* One line `KEY VALUE` or `@NAME LENGTH`; the longest that the init writes is far shorter than the buffer. */
void message_line(const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    message_bytes(text, strlen(text));
    message_bytes("\n", 1);
}

void message_begin(const char *tag, size_t length) {
    write_text(tag, length);
    write_text(":", 1);
    message_line("paddock-init 1");
}

void message_end(void) { write_line(".\n"); }
