#include "_workload_loops.h"
#include "_workload_functions.h"
#include "_workload_syscalls.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* The raw clock, because nothing steers it: adjtimex(2) lets a time daemon run CLOCK_MONOTONIC up
 * to 10 % fast or slow while it corrects the time of day.  Both are read in user space (vDSO) from
 * the same counter since Linux 5.3, natively and in guests. */
#define WINDOW_CLOCK CLOCK_MONOTONIC_RAW

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/*
 * ENTER_KERNEL(instruction, number, result): a system call without arguments.  With "" for the
 * instruction everything around it stays: that is the loop with nothing called.
 *
 * ENTER_KERNEL_WITH(number, argument, result): a system call with one argument.
 *
 * JUMP: the instruction that jumps to a label.
 *
 * WORKLOAD_PORTABLE chooses the last form on any machine, so that it can be tested on all of them.
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

/* The result as libc's syscall() gives it: the kernel returns -errno, from -4095 on. */
static long decode_result(long result)
{
    if (result < 0 && result >= -4095) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

/*
 * Jumps, before a window, over as much code as keeps the window apart from what ran before it.
 *
 * What the branch predictors remember of the code around a window goes on to slow down the kernel's
 * side of a system call, for as long as the window lasts: docs/loop.md, "Position", has the
 * measurements.  With these jumps, and the loops at the start of a cache line, it no longer matters
 * where the linker put things.  Inlined, because as a function it had no such effect.
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
 * The loops.  One small function each, not inlined, so that a disassembly shows them by name.
 * docs/loop.md has that disassembly and a test counts the instructions.  Each has a cache line of
 * its own, so that its speed does not hang on the length of the functions before it.
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

/* With a process id, because only then is a security module asked. */
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
#endif

LOOP long loop_none(uint64_t calls)
{
    long result;

    do {
        result = no_call(SYS_getpid);
    } while (--calls != 0);
    return result;
}

#define AT(function) .symbol = #function, .address = (const void *)(function)

const struct target targets[] = {
    {"getpid", "getpid", loop_getpid},
    {"getppid", "getppid", loop_getppid},
    {"getpgid", "getpgid", loop_getpgid},
    {"read", "read", loop_read, .prepare = prepare_read, .finish = finish_window},
    {"openat_close", "openat and close", loop_openat_close},
    {"sendto", "sendto", loop_sendto, .prepare = prepare_sendto, .finish = finish_window},
    {"function", NULL, loop_function, AT(ebpf_overhead_target)},
#ifdef WORKLOAD_X86_64
    {"function_nop5", NULL, loop_function_nop5, AT(ebpf_overhead_nop5)},
    {"function_nop10", NULL, loop_function_nop10, AT(ebpf_overhead_nop10)},
#endif
#ifdef WORKLOAD_ASSEMBLY
    {"function_push", NULL, loop_function_push, AT(ebpf_overhead_push)},
    {"function_ret", NULL, loop_function_ret, AT(ebpf_overhead_ret)},
    {"usdt", NULL, loop_usdt, AT(ebpf_overhead_usdt)},
#endif
    {"none", NULL, loop_none},
    {NULL, NULL, NULL},
};

const struct target *find_target(const char *name)
{
    const struct target *target;

    for (target = targets; target->name != NULL; target++)
        if (strcmp(target->name, name) == 0)
            return target;
    return NULL;
}

static int64_t difference_ns(const struct timespec *start, const struct timespec *end)
{
    return (int64_t)(end->tv_sec - start->tv_sec) * 1000000000 + (end->tv_nsec - start->tv_nsec);
}

/* The results are looked at after the window: inside, that would be an instruction more a call. */
static const char *time_prepared_window(const struct target *target, uint64_t calls,
                                        int64_t *elapsed_ns)
{
    struct timespec start, end;
    int start_failed, end_failed;
    long result;

    settle_branch_predictors();
    start_failed = clock_gettime(WINDOW_CLOCK, &start);
    result = target->loop(calls);
    end_failed = clock_gettime(WINDOW_CLOCK, &end);

    if (start_failed || end_failed)
        return "clock_gettime";
    if (target->system_call != NULL && decode_result(result) == -1)
        return target->system_call;
    *elapsed_ns = difference_ns(&start, &end);
    return NULL;
}

static const char *count_prepared_window(const struct target *target, uint64_t calls, int counter,
                                         int64_t *counted)
{
    uint64_t start, end;
    ssize_t start_bytes, end_bytes;
    long result;

    settle_branch_predictors();
    start_bytes = read(counter, &start, sizeof(start));
    result = target->loop(calls);
    end_bytes = read(counter, &end, sizeof(end));

    /* An event that lost its place on the CPU's counters reads as the end of a file. */
    if (start_bytes == 0 || end_bytes == 0)
        errno = ENODATA;
    if (start_bytes != (ssize_t)sizeof(start) || end_bytes != (ssize_t)sizeof(end))
        return "read";
    if (target->system_call != NULL && decode_result(result) == -1)
        return target->system_call;
    *counted = (int64_t)(end - start);
    return NULL;
}

/* By the clock, or by a counter unless that is negative. */
static const char *measure_window(const struct target *target, uint64_t calls, int counter,
                                  int64_t *measured)
{
    const char *failed_call;

    if (target->prepare != NULL && (failed_call = target->prepare()) != NULL)
        return failed_call;
    failed_call = counter < 0 ? time_prepared_window(target, calls, measured)
                              : count_prepared_window(target, calls, counter, measured);
    if (target->finish != NULL)
        target->finish();
    return failed_call;
}

const char *time_window(const struct target *target, uint64_t calls, int64_t *elapsed_ns)
{
    return measure_window(target, calls, -1, elapsed_ns);
}

const char *count_window(const struct target *target, uint64_t calls, int counter, int64_t *counted)
{
    return measure_window(target, calls, counter, counted);
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
