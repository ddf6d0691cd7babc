/*
 * Calls of a workload at a fixed rate.  Nothing here uses Python.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_PACED_H
#define EBPF_OVERHEAD_WORKLOAD_PACED_H

#include "_workload_loops.h"

#include <stdbool.h>

#pragma GCC visibility push(hidden)

/* What came of a window: the number of calls that count, the time of these calls by themselves,
 * with one reading of the clock each, and the time from the first call to the end of the last. */
struct pace {
    int64_t calls, calls_ns, window_ns;
};

/* How calls follow each other: `gap_ns` after the one before began, or as soon as it is over.  The
 * thread sleeps in between, or spins.  A call of more than `most_ns` does not count: another task
 * had the CPU meanwhile. */
struct pacing {
    int64_t gap_ns, most_ns;
    bool sleeps;
};

/* Makes `calls` calls.  It returns NULL, or the name of the system call that failed, with errno
 * set. */
const char *pace_window(const struct workload *workload, uint64_t calls,
                        const struct pacing *pacing, struct pace *pace);

#pragma GCC visibility pop

#endif
