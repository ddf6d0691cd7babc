#include "_workload_loops.h"
#include "_workload_functions.h"
#include "_workload_memory.h"
#include "_workload_packets.h"
#include "_workload_requests.h"
#include "_workload_signals.h"
#include "_workload_sockets.h"
#include "_workload_syscalls.h"
#include "_workload_tasks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The raw clock, because nothing adjusts it.  CLOCK_MONOTONIC may run up to 10 % fast or slow while
 * a time daemon corrects the time of day with adjtimex(2).  Since Linux 5.3, both clocks are read
 * in user space (vDSO) from the same counter, natively and in guests. */
#define WINDOW_CLOCK CLOCK_MONOTONIC_RAW

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/*
 * ENTER_KERNEL(instruction, number, result): a system call without arguments.  With "" as the
 * instruction, everything around it stays: that is the loop that calls nothing.
 *
 * ENTER_KERNEL_WITH(number, argument, result): a system call with one argument.
 *
 * JUMP: the instruction that jumps to a label.
 *
 * WORKLOAD_PORTABLE chooses the last form on every machine, so that it can be tested on each.
 */
#if defined(WORKLOAD_X86_64)

#define KERNEL_ENTRY "syscall"
#define JUMP         "jmp"
#define ENTER_KERNEL(instruction, number, result)                                                  \
    __asm__ volatile(instruction : "=a"(result) : "0"((long)(number)) : "rcx", "r11", "memory")
#define ENTER_KERNEL_WITH(number, argument, result)                                                \
    __asm__ volatile(KERNEL_ENTRY                                                                  \
                     : "=a"(result)                                                                \
                     : "0"((long)(number)), "D"((long)(argument))                                  \
                     : "rcx", "r11", "memory")

#elif defined(WORKLOAD_AARCH64)

#define KERNEL_ENTRY "svc #0"
#define JUMP         "b"
#define ENTER_KERNEL(instruction, number, result)                                                  \
    do {                                                                                           \
        register long x8 __asm__("x8") = (number);                                                 \
        register long x0 __asm__("x0");                                                            \
        __asm__ volatile(instruction : "=r"(x0) : "r"(x8) : "memory");                             \
        (result) = x0;                                                                             \
    } while (0)
#define ENTER_KERNEL_WITH(number, argument, result)                                                \
    do {                                                                                           \
        register long x8 __asm__("x8") = (number);                                                 \
        register long x0 __asm__("x0") = (argument);                                               \
        __asm__ volatile(KERNEL_ENTRY : "+r"(x0) : "r"(x8) : "memory");                            \
        (result) = x0;                                                                             \
    } while (0)

#endif

#ifdef KERNEL_ENTRY

ALWAYS_INLINE long system_call(long number)
{
    long result;

    ENTER_KERNEL(KERNEL_ENTRY, number, result);
    return result;
}

ALWAYS_INLINE long system_call_with(long number, long argument)
{
    long result;

    ENTER_KERNEL_WITH(number, argument, result);
    return result;
}

ALWAYS_INLINE long no_call(long number)
{
    long result;

    ENTER_KERNEL("", number, result);
    return result;
}

/* The result as libc's syscall() returns it: the kernel returns -errno, down to -4095. */
static long decode_result(long result)
{
    if (result < 0 && result >= -4095) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

/*
 * Jumps, before a window, over enough code to separate the window from what ran before it.
 *
 * Branch predictors remember the code around a window, and that slows down the kernel's side of a
 * system call during the whole window: docs/loop.md, "Position", has the measurements.  With these
 * jumps, and with loops at the start of a cache line, the layout chosen by the linker no longer
 * matters.  It is inlined because it had no such effect as a function.
 */
ALWAYS_INLINE void settle_branch_predictors(void)
{
    __asm__ volatile(".rept 512\n\t" JUMP " 77f\n\t.balign 16\n77:\n\t.endr" : : : "memory");
}

#else

ALWAYS_INLINE long system_call(long number)
{
    return syscall(number);
}

ALWAYS_INLINE long system_call_with(long number, long argument)
{
    return syscall(number, argument);
}

ALWAYS_INLINE long no_call(long number)
{
    __asm__ volatile("" : "+r"(number) : : "memory");
    return number;
}

static long decode_result(long result)
{
    return result;
}

static void settle_branch_predictors(void)
{
}

#endif

/*
 * The loops.  Each is a small function that is not inlined, so that a disassembly shows its name.
 * docs/loop.md has that disassembly, and a test counts the instructions.  Each starts a cache line,
 * so that its speed does not depend on the length of the functions before it.
 */
#define LOOP static __attribute__((noinline, aligned(64)))

LOOP long loop_getpid(uint64_t calls)
{
    long result;

    do {
        result = system_call(SYS_getpid);
    } while (--calls != 0);
    return result;
}

LOOP long loop_getppid(uint64_t calls)
{
    long result;

    do {
        result = system_call(SYS_getppid);
    } while (--calls != 0);
    return result;
}

/* With a process id, because the kernel asks a security module only then. */
LOOP long loop_getpgid(uint64_t calls)
{
    long result, process = getpid();

    do {
        result = system_call_with(SYS_getpgid, process);
    } while (--calls != 0);
    return result;
}

#define FUNCTION_LOOP(name, function)                                                              \
    LOOP long name(uint64_t calls)                                                                 \
    {                                                                                              \
        do {                                                                                       \
            function();                                                                            \
        } while (--calls != 0);                                                                    \
        return 0;                                                                                  \
    }

FUNCTION_LOOP(loop_function, ebpf_overhead_target)
#ifdef WORKLOAD_ASSEMBLY
FUNCTION_LOOP(loop_function_push, ebpf_overhead_push)
FUNCTION_LOOP(loop_function_ret, ebpf_overhead_ret)
FUNCTION_LOOP(loop_usdt, ebpf_overhead_usdt_site)
#endif
#ifdef WORKLOAD_X86_64
FUNCTION_LOOP(loop_function_nop5, ebpf_overhead_nop5)
FUNCTION_LOOP(loop_function_nop10, ebpf_overhead_nop10)
FUNCTION_LOOP(loop_function_test, ebpf_overhead_test)
#endif

LOOP long loop_none(uint64_t calls)
{
    long result;

    do {
        result = no_call(SYS_getpid);
    } while (--calls != 0);
    return result;
}

#define REQUESTS(first) .prepare = (first), .finish = finish_requests
#define TASKS           .prepare = prepare_tasks, .finish = finish_tasks
#define AT(function)    .symbol = #function, .address = (const void *)(function)

const struct workload workloads[] = {
    {"getpid", "getpid", loop_getpid},
    {"getppid", "getppid", loop_getppid},
    {"getpgid", "getpgid", loop_getpgid},
    {"read", "read", loop_read, .prepare = prepare_read, .finish = finish_window},
    {"openat_close", "openat and close", loop_openat_close},
    {"sendto", "sendto", loop_sendto, .prepare = prepare_sendto, .finish = finish_socket},
    {"write", "write", loop_write, .prepare = prepare_write, .finish = finish_window},
    {"stat", "newfstatat", loop_stat},
    {"fork_wait", "clone and wait4", loop_fork_wait, TASKS},
#ifdef WORKLOAD_ASSEMBLY
    {"exec", "clone, execve and wait4", loop_exec, .prepare = prepare_exec, .finish = finish_exec},
    {"thread_create", "clone and futex", loop_thread_create, TASKS},
#endif
    {"tcp_connect", "socket, connect, accept4 and close", loop_tcp_connect,
     .prepare = prepare_tcp_connect, .finish = finish_tcp_connect},
    {"pipe_pingpong", "write and read", loop_request, REQUESTS(prepare_pipes)},
    {"unix_request", "write and read", loop_request, REQUESTS(prepare_unix)},
    {"tcp_request", "write and read", loop_request, REQUESTS(prepare_tcp)},
    {"tcp_stream", "write and recvfrom", loop_stream, .prepare = prepare_stream,
     .finish = finish_stream},
    {"udp_request", "write and read", loop_request, REQUESTS(prepare_udp)},
    {"futex_pingpong", "futex", loop_futexes, .prepare = prepare_futexes, .finish = finish_futexes},
    {"sched_yield", "sched_yield", loop_sched_yield},
    {"timer", "timerfd_settime and read", loop_timer, .prepare = prepare_timer,
     .finish = finish_window},
    {"signal", "tgkill", loop_signal, .prepare = prepare_signal, .finish = finish_signal},
    {"mmap_touch_munmap", "mmap and munmap", loop_mmap_touch_munmap},
    {"mmap_file", "mmap and munmap of a file", loop_mmap_file, .prepare = prepare_mmap_file,
     .finish = finish_mmap_file},
    {"page_fault", "madvise", loop_page_fault, .prepare = prepare_page_fault,
     .finish = finish_page_fault},
    {"file_write", "pwrite64", loop_file_write, .prepare = prepare_file, .finish = finish_window},
    {"file_fsync", "pwrite64 and fsync", loop_file_fsync, .prepare = prepare_file,
     .finish = finish_window},
    {"udp_connect", "connect", loop_udp_connect, .prepare = prepare_udp_connect,
     .finish = finish_socket},
    {"packet", "write and read", loop_packet, .prepare = prepare_packet, .finish = finish_packet},
    {"packet_veth", "write and read", loop_packet, .prepare = prepare_packet_veth,
     .finish = finish_packet},
    {"malloc_free", NULL, loop_malloc_free, AT(malloc)},
    {"function", NULL, loop_function, AT(ebpf_overhead_target)},
#ifdef WORKLOAD_X86_64
    {"function_nop5", NULL, loop_function_nop5, AT(ebpf_overhead_nop5)},
    {"function_nop10", NULL, loop_function_nop10, AT(ebpf_overhead_nop10)},
    {"function_test", NULL, loop_function_test, AT(ebpf_overhead_test)},
#endif
#ifdef WORKLOAD_ASSEMBLY
    {"function_push", NULL, loop_function_push, AT(ebpf_overhead_push)},
    {"function_ret", NULL, loop_function_ret, AT(ebpf_overhead_ret)},
    {"usdt", NULL, loop_usdt, AT(ebpf_overhead_usdt)},
#endif
    {"none", NULL, loop_none},
    {NULL, NULL, NULL},
};

const struct workload *find_workload(const char *name)
{
    const struct workload *workload;

    for (workload = workloads; workload->name != NULL; workload++)
        if (strcmp(workload->name, name) == 0)
            return workload;
    return NULL;
}

static int64_t difference_ns(const struct timespec *start, const struct timespec *end)
{
    return (int64_t)(end->tv_sec - start->tv_sec) * 1000000000 + (end->tv_nsec - start->tv_nsec);
}

const char *failed_result(const struct workload *workload, long result)
{
    int failed = workload->system_call != NULL && decode_result(result) == -1;

    return failed ? workload->system_call : NULL;
}

/* The result is checked after the window: in the loop, that would add an instruction per call. */
static const char *time_prepared_window(const struct workload *workload, uint64_t calls,
                                        int64_t *elapsed_ns)
{
    struct timespec start, end;
    int start_failed, end_failed;
    long result;

    settle_branch_predictors();
    start_failed = clock_gettime(WINDOW_CLOCK, &start);
    result = workload->loop(calls);
    end_failed = clock_gettime(WINDOW_CLOCK, &end);

    if (start_failed || end_failed)
        return "clock_gettime";
    *elapsed_ns = difference_ns(&start, &end);
    return failed_result(workload, result);
}

static const char *count_prepared_window(const struct workload *workload, uint64_t calls,
                                         int counter, int64_t *counted)
{
    uint64_t start, end;
    ssize_t start_bytes, end_bytes;
    long result;

    settle_branch_predictors();
    start_bytes = read(counter, &start, sizeof(start));
    result = workload->loop(calls);
    end_bytes = read(counter, &end, sizeof(end));

    /* An event that lost its hardware counter reads as the end of a file. */
    if (start_bytes == 0 || end_bytes == 0)
        errno = ENODATA;
    if (start_bytes != (ssize_t)sizeof(start) || end_bytes != (ssize_t)sizeof(end))
        return "read";
    *counted = (int64_t)(end - start);
    return failed_result(workload, result);
}

/* With the clock, or with a counter that is not negative. */
static const char *measure_window(const struct workload *workload, uint64_t calls, int counter,
                                  int64_t *measured)
{
    const char *failed_call;

    if (workload->prepare != NULL && (failed_call = workload->prepare(calls)) != NULL)
        return failed_call;
    failed_call = counter < 0 ? time_prepared_window(workload, calls, measured)
                              : count_prepared_window(workload, calls, counter, measured);
    if (workload->finish != NULL)
        workload->finish();
    return failed_call;
}

const char *time_window(const struct workload *workload, uint64_t calls, int64_t *elapsed_ns)
{
    return measure_window(workload, calls, -1, elapsed_ns);
}

const char *count_window(const struct workload *workload, uint64_t calls, int counter,
                         int64_t *counted)
{
    return measure_window(workload, calls, counter, counted);
}

const char *time_empty_window(int64_t *elapsed_ns)
{
    struct timespec start, end;
    int start_failed, end_failed;

    settle_branch_predictors();
    start_failed = clock_gettime(WINDOW_CLOCK, &start);
    end_failed = clock_gettime(WINDOW_CLOCK, &end);

    if (start_failed || end_failed)
        return "clock_gettime";
    *elapsed_ns = difference_ns(&start, &end);
    return NULL;
}
