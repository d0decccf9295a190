/* The files in /run/paddock: the secrets that the agent gets, and the output that it leaves. */
#include "init.h"
#include <sys/stat.h>

/* Opens a file in a folder, following no link in either place, waiting for nothing. */
static int open_in(const char *folder, const char *name, int flags) {
    int at = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int file = at < 0 ? -1 : openat(at, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0400);
    if (at >= 0)
        close(at); /* succeeds, and leaves errno alone */
    return file;
}

/* Writes the secrets, in the child; false with errno at the first failure. */
bool write_secrets(const struct frame *frame) {
    if (frame->secret_count > 0 && mkdir("/run/paddock/secrets", 0700) < 0 && errno != EEXIST)
        return false;
    for (const struct frame_secret *secret = frame->secrets; secret < frame->secrets + frame->secret_count; secret++) {
        int file = open_in("/run/paddock/secrets", secret->name, O_WRONLY | O_CREAT | O_EXCL);
        if (file < 0)
            return false;
        for (size_t done = 0; done < secret->length;) {
            ssize_t count = write(file, secret->bytes + done, secret->length - done);
            if (count < 0)
                return false;
            done += (size_t)count;
        }
        close(file);
    }
    return true;
}

/* Sends exactly the announced bytes; where the file does not yield them, NULs, which are never valid JSON. */
static void send_output(int file, size_t length, char *buffer, size_t size) {
    message_line("output ok\n@output %zu", length);
    for (size_t done = 0; done < length;) {
        size_t wanted = length - done < size ? length - done : size;
        ssize_t count = read(file, buffer, wanted);
        size_t given = count > 0 ? (size_t)count : wanted;
        if (count <= 0)
            memset(buffer, 0, wanted);
        message_bytes(buffer, given);
        done += given;
    }
    message_bytes("\n", 1);
}

/* Ends the trailer with what became of the agent's output file, and its bytes. */
void report_output(uint64_t most, void *buffer, size_t size) {
    struct stat status;
    int file = open_in("/run/paddock", "output.json", O_RDONLY);
    bool opened = file >= 0 && fstat(file, &status) == 0;
    if (!opened && errno == ENOENT)
        message_line("output absent");
    else if (opened ? !S_ISREG(status.st_mode) : errno == ELOOP || errno == ENXIO) /* a symlink, a socket */
        message_line("output not_regular");
    else if (!opened)
        message_line("output error %d", errno);
    else if ((uint64_t)status.st_size > most)
        message_line("output too_large");
    else
        send_output(file, (size_t)status.st_size, buffer, size);
    close(file);
}
