/* What glibc asks of the kernel: threads with everything that synchronises them, children, timers, shared memory. */
#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MUST(condition) ((condition) ? (void)0 : (perror(#condition), exit(1)))
enum { THREADS = 16 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t barrier;
static long total;

static void *work(void *argument) {
    pthread_setname_np(pthread_self(), "worker");
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 1000; i++) {
        pthread_mutex_lock(&mutex);
        total += (long)argument;
        pthread_mutex_unlock(&mutex);
    }
    free(malloc(1 << 20));
    return argument;
}

static void *forever(void *argument) {
    for (;;)
        pause();
    return argument;
}

static void threads(void) {
    pthread_t all[THREADS], cancelled;
    pthread_mutexattr_t robust;
    pthread_mutex_t inherits;
    MUST(pthread_barrier_init(&barrier, NULL, THREADS) == 0);
    for (long i = 0; i < THREADS; i++)
        MUST(pthread_create(&all[i], NULL, work, (void *)i) == 0);
    for (int i = 0; i < THREADS; i++)
        MUST(pthread_join(all[i], NULL) == 0);
    MUST(total == 120000);
    MUST(pthread_create(&cancelled, NULL, forever, NULL) == 0);
    MUST(pthread_cancel(cancelled) == 0 && pthread_join(cancelled, NULL) == 0);
    pthread_mutexattr_init(&robust);
    pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setprotocol(&robust, PTHREAD_PRIO_INHERIT);
    MUST(pthread_mutex_init(&inherits, &robust) == 0 && pthread_mutex_lock(&inherits) == 0);
}

static void children(void) {
    char *arguments[] = { "sh", "-c", "exit 3", NULL }, line[8] = "", *none[] = { NULL };
    pid_t pid;
    int status;
    MUST(posix_spawn(&pid, "/bin/sh", NULL, NULL, arguments, none) == 0);
    MUST(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 3);
    MUST(WEXITSTATUS(system("exit 4")) == 4);
    FILE *pipe = popen("echo hi", "r");
    MUST(pipe && fgets(line, sizeof line, pipe) && pclose(pipe) == 0 && strcmp(line, "hi\n") == 0);
    if ((pid = fork()) == 0)
        abort();
    MUST(waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGABRT);
    if ((pid = vfork()) == 0)
        _exit(5);
    MUST(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 5);
}

static void timers(void) {
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN };
    struct itimerspec soon = { .it_value.tv_nsec = 1000000 };
    sigset_t set;
    timer_t timer;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, NULL);
    MUST(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 && timer_settime(timer, 0, &soon, NULL) == 0);
    MUST(sigwaitinfo(&set, NULL) == SIGRTMIN);
    int file = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), poll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ready = { .events = EPOLLIN };
    MUST(timerfd_settime(file, 0, &soon, NULL) == 0 && epoll_ctl(poll, EPOLL_CTL_ADD, file, &ready) == 0);
    MUST(epoll_wait(poll, &ready, 1, 10000) == 1);
}

static void memory(void) {
    sem_t *semaphore = sem_open("/one", O_CREAT, 0600, 1);
    MUST(semaphore != SEM_FAILED && sem_wait(semaphore) == 0 && sem_unlink("/one") == 0);
    int shared = shm_open("/two", O_CREAT | O_RDWR, 0600), events = eventfd(1, 0);
    uint64_t count;
    MUST(ftruncate(shared, 4096) == 0 && shm_unlink("/two") == 0);
    char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0);
    MUST(map != MAP_FAILED && (map[0] = 1) == 1);
    MUST(mprotect(map, 4096, PROT_READ) == 0 && madvise(map, 4096, MADV_DONTNEED) == 0);
    MUST(read(events, &count, sizeof count) == sizeof count && count == 1);
    void *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(code != MAP_FAILED && mremap(code, 4096, 8192, MREMAP_MAYMOVE) != MAP_FAILED);
}

int main(void) {
    threads();
    puts("ok threads");
    children();
    puts("ok children");
    timers();
    puts("ok timers");
    memory();
    puts("ok memory");
}
