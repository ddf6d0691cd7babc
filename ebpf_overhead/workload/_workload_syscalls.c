/* For memfd_create(2). */
#define _GNU_SOURCE
#include "_workload_syscalls.h"
#include "_workload_enter.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/timerfd.h>

/* Used by the current window.  The thread that times the window prepares and releases it, before
 * any Python runs.  So another thread or a signal handler that also measures never finds it in use.
 */
static __thread int descriptor;

void finish_window(void)
{
    int error = errno;

    close(descriptor);
    errno = error;
}

/* A file that never ends, never blocks and has no state. */
const char *prepare_read(uint64_t calls)
{
    (void)calls;
    descriptor = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    return descriptor < 0 ? "openat /dev/zero" : NULL;
}

/* One byte of the descriptor, by read(2) or write(2). */
ALWAYS_INLINE long transfer_bytes(long number, uint64_t calls)
{
    int file = descriptor;
    long result;
    char byte = 0;

    do {
        result = system_call_3(number, file, (long)&byte, 1);
    } while (--calls != 0);
    return result;
}

LOOP long loop_read(uint64_t calls)
{
    return transfer_bytes(SYS_read, calls);
}

/* A device node that every machine has in memory, and whose driver does nothing at open. */
LOOP long loop_openat_close(uint64_t calls)
{
    const char *path = "/dev/null";
    long opened, closed;

    do {
        opened = system_call_3(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC);
        closed = system_call_1(SYS_close, opened);
    } while (--calls != 0);
    return opened < 0 ? opened : closed;
}

/* What is written there is gone. */
const char *prepare_write(uint64_t calls)
{
    (void)calls;
    descriptor = open("/dev/null", O_WRONLY | O_CLOEXEC);
    return descriptor < 0 ? "openat /dev/null" : NULL;
}

LOOP long loop_write(uint64_t calls)
{
    return transfer_bytes(SYS_write, calls);
}

LOOP long loop_stat(uint64_t calls)
{
    const char *path = "/dev/null";
    struct stat found;
    long result;

    do {
        result = system_call_6(SYS_newfstatat, AT_FDCWD, (long)path, (long)&found, 0, 0, 0);
    } while (--calls != 0);
    return result;
}

LOOP long loop_sched_yield(uint64_t calls)
{
    long result;

    do {
        result = system_call_1(SYS_sched_yield, 0);
    } while (--calls != 0);
    return result;
}

const char *prepare_timer(uint64_t calls)
{
    (void)calls;
    descriptor = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    return descriptor < 0 ? "timerfd_create" : NULL;
}

/* A timer that has expired when it is set, and the wait for it: the clock's interrupt comes at
 * once, and how often the call sleeps until then differs. */
LOOP long loop_timer(uint64_t calls)
{
    struct itimerspec at = {.it_value = {.tv_nsec = 1}};
    int timer = descriptor;
    uint64_t expired;
    long set, waited;

    do {
        set = system_call_6(SYS_timerfd_settime, timer, TFD_TIMER_ABSTIME, (long)&at, 0, 0, 0);
        waited = system_call_3(SYS_read, timer, (long)&expired, sizeof(expired));
    } while (--calls != 0);
    return set < 0 ? set : waited;
}

/* A file in memory, on a tmpfs that the kernel has for such files. */
const char *prepare_file(uint64_t calls)
{
    (void)calls;
    descriptor = memfd_create("ebpf-overhead", MFD_CLOEXEC);
    return descriptor < 0 ? "memfd_create" : NULL;
}

/* The same page again and again: after the first call it is in memory. */
LOOP long loop_file_write(uint64_t calls)
{
    static const char page[4096];
    int file = descriptor;
    long result;

    do {
        result = system_call_6(SYS_pwrite64, file, (long)page, sizeof(page), 0, 0, 0);
    } while (--calls != 0);
    return result;
}

LOOP long loop_file_fsync(uint64_t calls)
{
    static const char page[4096];
    int file = descriptor;
    long written, result;

    do {
        written = system_call_6(SYS_pwrite64, file, (long)page, sizeof(page), 0, 0, 0);
        result = system_call_1(SYS_fsync, file);
    } while (--calls != 0);
    return written < 0 ? written : result;
}
