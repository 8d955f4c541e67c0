/* Preloaded into homewatch: whenever it has nothing to do its clocks leap to a given time, so that
 * months pass in seconds. The program itself is the one that is shipped.
 *
 * It has nothing to do when it waits for its sockets, every other thread sleeps and no child runs.
 * The clocks then go on to the limit in one step, as after a suspend; timers that lie in between
 * are due together. At the limit they run as everybody's. `leap.py` sets the limit. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

/* What is shared with leap.py, ns. */
struct shared {
    _Atomic int64_t leapt;  /* what has been leapt over; every clock is ahead by it */
    _Atomic int64_t wall;   /* how far the wall clock was set off besides */
    _Atomic int64_t limit;  /* the wall-clock time beyond which nothing leaps */
    _Atomic int64_t rests;  /* how often there was nothing left to do at the limit */
};

static struct shared *shared;
static pid_t owner;

static int64_t real(clockid_t clock) {
    struct timespec now;
    syscall(SYS_clock_gettime, clock, &now);
    return now.tv_sec * SECOND + now.tv_nsec;
}

static int64_t since_boot(void) { return real(CLOCK_MONOTONIC) + atomic_load(&shared->leapt); }

static int64_t wall(void) {
    return real(CLOCK_REALTIME) + atomic_load(&shared->leapt) + atomic_load(&shared->wall);
}

static void __attribute__((constructor)) begin(void) {
    const char *path = getenv("LEAP_FILE");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *at = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    if (at == MAP_FAILED) return;
    shared = at;
    owner = getpid();
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    if (syscall(SYS_clock_gettime, clock, now)) return -1;
    int is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
    int is_used = clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID;
    if (!shared || is_used || clock < 0) return 0;
    int64_t at = now->tv_sec * SECOND + now->tv_nsec + atomic_load(&shared->leapt);
    if (is_wall) at += atomic_load(&shared->wall);
    now->tv_sec = at / SECOND;
    now->tv_nsec = at % SECOND;
    return 0;
}

/* Whether every other thread sleeps and no child runs. */
static int is_idle(void) {
    siginfo_t child;
    if (waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0) return 0;
    pid_t me = (pid_t)syscall(SYS_gettid);
    static DIR *threads;
    if (!threads && !(threads = opendir("/proc/self/task"))) return 0;
    rewinddir(threads);
    struct dirent *entry;
    while ((entry = readdir(threads))) {
        char path[300], text[256];
        if (entry->d_name[0] == '.' || atoi(entry->d_name) == me) continue;
        snprintf(path, sizeof path, "/proc/self/task/%s/stat", entry->d_name);
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file < 0) continue;
        ssize_t length = read(file, text, sizeof text - 1);
        close(file);
        if (length <= 0) continue;
        text[length] = 0;
        char *name = strrchr(text, ')');
        if (!name || name[2] != 'S') return 0;
    }
    return 1;
}

static int sockets(int epoll, struct epoll_event *events, int most, int64_t wait) {
    struct timespec time = {0, wait};
    return (int)syscall(SYS_epoll_pwait2, epoll, events, most, &time, NULL, 8);
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout) {
    if (!shared || getpid() != owner)
        return (int)syscall(SYS_epoll_pwait, epoll, events, most, timeout, NULL, 8);
    int64_t until = timeout < 0 ? INT64_MAX : since_boot() + timeout * 1000000LL;
    for (;;) {
        int64_t left = until == INT64_MAX ? INT64_MAX : until - since_boot();
        if (left < 0) left = 0;
        int64_t slice = left < 50000 ? left : 50000;
        int found = sockets(epoll, events, most, slice);
        if (found != 0) return found;
        if (left <= slice) return 0;
        /* Looked at once more, since a thread may have woken this one just before it slept. */
        if (!is_idle() || (found = sockets(epoll, events, most, 0)) != 0) {
            if (found != 0) return found;
            continue;
        }
        int64_t room = atomic_load(&shared->limit) - wall();
        if (room > 0) {
            atomic_fetch_add(&shared->leapt, room);
            if (left <= room) return 0;
            continue;
        }
        atomic_fetch_add(&shared->rests, 1);
        found = sockets(epoll, events, most, left < 300000 ? left : 300000);
        if (found != 0) return found;
    }
}

/* A thread that waits with a time-out waits until a time of the clock as it sees it. */
long syscall(long number, ...) {
    static long (*next)(long, ...);
    va_list list;
    va_start(list, number);
    long a = va_arg(list, long), b = va_arg(list, long), c = va_arg(list, long);
    long d = va_arg(list, long), e = va_arg(list, long), f = va_arg(list, long);
    va_end(list);
    if (!next) next = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    if (shared && number == SYS_futex && d && (b & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET) {
        struct timespec *at = (struct timespec *)d;
        int64_t end = at->tv_sec * SECOND + at->tv_nsec - atomic_load(&shared->leapt);
        struct timespec then = {end > 0 ? end / SECOND : 0, end > 0 ? end % SECOND : 0};
        return next(number, a, b, c, (long)&then, e, f);
    }
    return next(number, a, b, c, d, e, f);
}
