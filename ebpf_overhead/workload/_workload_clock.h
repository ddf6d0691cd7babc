/*
 * The clock of single calls.  Nothing here uses Python.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_CLOCK_H
#define EBPF_OVERHEAD_WORKLOAD_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nothing adjusts this clock.  Reading it cannot fail: Linux has had it since 2.6.28. */
static inline int64_t now_ns(void)
{
    struct timespec now = {0};

    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

#endif
