/*
 * The timed loops on several CPUs at once.  Nothing here knows of Python.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_THREADS_H
#define EBPF_OVERHEAD_WORKLOAD_THREADS_H

#include "_workload_loops.h"

/* One job: a thread on each of `cpus`, which all time window after window together. */
struct together {
    const struct target *target;
    uint64_t calls;
    size_t windows;
    const int *cpus;
    size_t threads;
    /* Go on calling, untimed, until the slowest has done its window, so that all of it is
     * measured with the others at work. */
    int keep_busy;
    /* Results: times and beginnings by thread, then window; calls made in all. */
    int64_t *elapsed_ns;
    int64_t *start_ns;
    uint64_t calls_made;
    /* Why it failed: NULL, or the system call, with errno and the CPU it was for. */
    const char *failed_call;
    int error;
    int failed_cpu;
};

#pragma GCC visibility push(hidden)

/* Runs the job.  All threads have ended when it returns, whatever happened.  `interrupted` is
 * called every few milliseconds by the calling thread; anything but 0 stops the job.  Returns -1
 * when it was stopped or failed. */
int run_together(struct together *job, int (*interrupted)(void));

#pragma GCC visibility pop

#endif
