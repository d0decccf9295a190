/* The one line and the exit code with which every probe ends. */
#include "probe.h"
#include <stdarg.h>

static _Noreturn void end(int code, const char *word, const char *format, va_list values) {
    char line[512];
    vsnprintf(line, sizeof line, format, values);
    dprintf(STDOUT_FILENO, "%s: %s\n", word, line);
    _exit(code);
}

void through(const char *format, ...) {
    va_list values;
    va_start(values, format);
    end(THROUGH, "through", format, values);
}

void held(const char *format, ...) {
    va_list values;
    va_start(values, format);
    end(HELD, "held", format, values);
}

void unknown(const char *format, ...) {
    va_list values;
    va_start(values, format);
    end(UNKNOWN, "unknown", format, values);
}

const char *error_name(int error) {
    static const struct {
        int error;
        const char *name;
    } names[] = {
#define NAME(error) { error, #error }
        NAME(EPERM), NAME(ENOENT), NAME(ESRCH), NAME(EIO), NAME(ENXIO), NAME(ENOEXEC), NAME(EBADF), NAME(EAGAIN),
        NAME(ENOMEM), NAME(EACCES), NAME(EFAULT), NAME(EBUSY), NAME(EEXIST), NAME(ENODEV), NAME(ENOTDIR),
        NAME(EISDIR), NAME(EINVAL), NAME(ENFILE), NAME(EMFILE), NAME(ENOTTY), NAME(ETXTBSY), NAME(EFBIG),
        NAME(ENOSPC), NAME(EROFS), NAME(EMLINK), NAME(ENOSYS), NAME(ELOOP), NAME(EPROTONOSUPPORT),
        NAME(ESOCKTNOSUPPORT), NAME(EOPNOTSUPP), NAME(EAFNOSUPPORT), NAME(ENETUNREACH), NAME(EHOSTUNREACH),
        NAME(EADDRNOTAVAIL), NAME(ECONNREFUSED), NAME(ECONNRESET), NAME(ETIMEDOUT), NAME(EINPROGRESS), NAME(ESTALE),
        NAME(EDQUOT), NAME(EUSERS),
#undef NAME
    };
    static char number[16];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].error == error)
            return names[i].name;
    snprintf(number, sizeof number, "errno %d", error);
    return number;
}

void refused(const char *what) {
    int error = errno;
    bool absent = error == ENOSYS || error == EAFNOSUPPORT || error == EPROTONOSUPPORT || error == ESOCKTNOSUPPORT
        || error == EOPNOTSUPP || error == ENODEV;
    if (absent)
        unknown("%s: %s", what, error_name(error));
    held("%s: %s", what, error_name(error));
}

void refused_unless(int harmless, const char *what) {
    if (errno == harmless)
        through("%s: past the permission check, %s", what, error_name(harmless));
    refused(what);
}
