/* Writing where nothing may be written, and running what it wrote. */
#include "probe.h"
#include <sys/mman.h>
#include <sys/stat.h>

static void write_root(void) {
    char path[512];
    snprintf(path, sizeof path, "%s/paddock-probe", argument ? argument : "");
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0)
        refused(path);
    bool written = write(file, "x", 1) == 1;
    unlink(path);
    if (!written)
        refused(path);
    through("wrote %s", path);
}

/* Writes its first byte again, with the same value. */
static void write_file(const char *path) {
    char byte = '\n';
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file < 0)
        refused(path);
    ssize_t length = pread(file, &byte, 1, 0);
    if (pwrite(file, &byte, 1, 0) != 1)
        refused(path);
    if (length == 0 && ftruncate(file, 0) < 0)
        refused(path);
    through("wrote %s", path);
}
static void write_passwd(void) { write_file("/etc/passwd"); }
static void write_hosts(void) { write_file("/etc/hosts"); }

static void execute_in(const char *folder) {
    char path[128];
    snprintf(path, sizeof path, "%s/paddock-probe", folder);
    if (!copy_self(path, 0700))
        refused(path);
    int result = run_copy(path, (uid_t)-1);
    unlink(path);
    if (result == EXECUTED || result == EXECUTED_AS_ROOT)
        through("ran %s, which it wrote", path);
    errno = result;
    refused(path);
}
static void execute_in_tmp(void) { execute_in("/tmp"); }
static void execute_in_shm(void) { execute_in("/dev/shm"); }
static void execute_in_run(void) { execute_in("/run/paddock"); }

/* What the dynamic linker does with a library, and with LD_PRELOAD. */
static void map_from_tmp(void) {
    static const char path[] = "/tmp/paddock-probe";
    if (!copy_self(path, 0700))
        refused(path);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    void *page = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
    int error = errno;
    unlink(path);
    errno = error;
    if (page == MAP_FAILED)
        refused("mmap with PROT_EXEC");
    through("mapped a file of /tmp as code");
}

const struct probe file_probes[] = {
    { "write-root", "[FOLDER]", write_root },
    { "write-passwd", NULL, write_passwd },
    { "write-hosts", NULL, write_hosts },
    { "exec-tmp", NULL, execute_in_tmp },
    { "exec-shm", NULL, execute_in_shm },
    { "exec-run", NULL, execute_in_run },
    { "map-tmp", NULL, map_from_tmp },
    { NULL, NULL, NULL },
};
