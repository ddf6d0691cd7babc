/*
 * System calls in inline assembly, for the loops: what a C library adds is not in them.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_ENTER_H
#define EBPF_OVERHEAD_WORKLOAD_ENTER_H

#include <sys/syscall.h>
#include <unistd.h>

#define ALWAYS_INLINE static inline __attribute__((always_inline))
/* Like the other loops: _workload_loops.c says why. */
#define LOOP __attribute__((noinline, aligned(64)))

/*
 * System calls with one, three and six arguments; what is left of six is 0.  The kernel keeps all
 * registers except the result (and, on x86_64, two that nobody uses).
 */
#if defined(__x86_64__) && !defined(WORKLOAD_PORTABLE)

ALWAYS_INLINE long system_call_1(long number, long a)
{
    long result;

    __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a) : "rcx", "r11", "memory");
    return result;
}

ALWAYS_INLINE long system_call_3(long number, long a, long b, long c)
{
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(a), "S"(b), "d"(c)
                     : "rcx", "r11", "memory");
    return result;
}

ALWAYS_INLINE long system_call_6(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;

    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#elif defined(__aarch64__) && !defined(WORKLOAD_PORTABLE)

ALWAYS_INLINE long system_call_1(long number, long a)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;

    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8) : "memory");
    return x0;
}

ALWAYS_INLINE long system_call_3(long number, long a, long b, long c)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;

    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
    return x0;
}

ALWAYS_INLINE long system_call_6(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;

    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}

#else

#define system_call_1 syscall
#define system_call_3 syscall
#define system_call_6 syscall

#endif

#endif
