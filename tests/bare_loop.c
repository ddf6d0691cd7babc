/*
 * The loop of the extension without Python, to compare it with: times getpid as a raw system call
 * and prints the ns per call of the fastest window.
 *
 *     cc -O2 -o bare_loop bare_loop.c && ./bare_loop CALLS WINDOWS [CPU]
 *
 * It shares no line with the extension: what both agree on, neither made up.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now_ns(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC_RAW, &now) != 0) {
        perror("clock_gettime");
        exit(1);
    }
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void call_getpid(void)
{
#if defined(__x86_64__)
    long number = SYS_getpid;

    __asm__ volatile("syscall" : "+a"(number) : : "rcx", "r11", "memory");
#elif defined(__aarch64__)
    register long number __asm__("x8") = SYS_getpid;
    register long result __asm__("x0");

    __asm__ volatile("svc #0" : "=r"(result) : "r"(number) : "memory");
#else
    syscall(SYS_getpid);
#endif
}

static double window_ns_per_call(unsigned long calls)
{
    double start = now_ns();

    for (unsigned long call = 0; call < calls; call++)
        call_getpid();
    return (now_ns() - start) / (double)calls;
}

static void pin(int cpu)
{
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0) {
        perror("sched_setaffinity");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    double fastest = -1;

    if (argc < 3) {
        fprintf(stderr, "usage: %s CALLS WINDOWS [CPU]\n", argv[0]);
        return 2;
    }
    if (argc > 3)
        pin(atoi(argv[3]));
    for (long window = 0; window < atol(argv[2]); window++) {
        double ns = window_ns_per_call(strtoul(argv[1], NULL, 10));

        if (fastest < 0 || ns < fastest)
            fastest = ns;
    }
    printf("%.3f\n", fastest);
    return 0;
}
