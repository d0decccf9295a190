/* Small tools that several probes need. */
#include "probe.h"
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

uint64_t argument_number(uint64_t otherwise) {
    char *end;
    if (!argument)
        return otherwise;
    errno = 0;
    uint64_t value = strtoull(argument, &end, 10);
    if (errno || end == argument || *end)
        unknown("%s is no number", argument);
    return value;
}

uint64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void pause_ms(long milliseconds) {
    struct timespec left = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
    while (nanosleep(&left, &left) < 0 && errno == EINTR)
        continue;
}

ssize_t read_text(const char *path, char *text, size_t size) {
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    ssize_t length = read(file, text, size - 1);
    int error = errno;
    close(file);
    errno = error;
    if (length >= 0)
        text[length] = '\0';
    return length;
}

bool copy_self(const char *path, mode_t mode) {
    static char buffer[64 << 10];
    ssize_t length = -1;
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
    if (from >= 0 && to >= 0)
        while ((length = read(from, buffer, sizeof buffer)) > 0)
            if (write(to, buffer, (size_t)length) != length) {
                length = -1;
                break;
            }
    if (length == 0 && fchmod(to, mode) < 0)
        length = -1;
    int error = errno;
    close(from);
    close(to);
    errno = error;
    return length == 0;
}

int run_copy(const char *path, uid_t user) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        if (user != (uid_t)-1 && setresuid(user, user, user) < 0)
            _exit(errno);
        execl(path, path, "--effective-user", (char *)NULL);
        _exit(errno);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0)
        return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
}
