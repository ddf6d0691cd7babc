/*
 * Watching a workload: the longest gap between two calls, in each span that another thread marks.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_GAPS_H
#define EBPF_OVERHEAD_WORKLOAD_GAPS_H

#include "_workload_loops.h"

#include <stdatomic.h>

/* Shared by the calling thread and the thread that marks spans; _workload.pyi documents it. */
struct watched {
    _Atomic uint64_t stop;
    _Atomic uint64_t span;
    _Atomic uint64_t closed;
    _Atomic uint64_t longest_ns;
    _Atomic uint64_t calls;
};

#pragma GCC visibility push(hidden)

/* Calls the workload until told to stop.  Returns NULL, or the system call that failed, with errno.
 */
const char *watch_workload(const struct workload *workload, struct watched *watched);

#pragma GCC visibility pop

#endif
