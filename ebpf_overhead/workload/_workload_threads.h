/*
 * The timed loops on several CPUs at once.  Nothing here uses Python.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_THREADS_H
#define EBPF_OVERHEAD_WORKLOAD_THREADS_H

#include "_workload_loops.h"

/* A job: a thread on each of `cpus`; all threads time their windows at the same time. */
struct together {
    const struct workload *workload;
    uint64_t calls;
    size_t windows;
    const int *cpus;
    size_t threads;
    /* Go on calling, untimed, until the slowest thread has finished its window.  So each window is
     * measured while all other threads call. */
    int keep_busy;
    /* Results: times and starts by thread, then by window; the number of all calls. */
    int64_t *elapsed_ns;
    int64_t *start_ns;
    uint64_t calls_made;
    /* The first failure: NULL, or the system call, with its errno and CPU. */
    const char *failed_call;
    int error;
    int failed_cpu;
};

#pragma GCC visibility push(hidden)

/* Runs the job.  All threads have ended when it returns, whatever happened.  The calling thread
 * calls `interrupted` every few milliseconds; a result other than 0 stops the job.  Returns -1 if
 * the job was stopped or failed. */
int run_together(struct together *job, int (*interrupted)(void));

#pragma GCC visibility pop

#endif
