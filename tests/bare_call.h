/* The call that bare programs time, and their clock: nothing of the project's own loop. */
#ifndef BARE_CALL_H
#define BARE_CALL_H

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double now_ns(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC_RAW, &now) != 0)
        fail("clock_gettime");
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

static void pin(int cpu)
{
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0)
        fail("sched_setaffinity");
}

#endif
