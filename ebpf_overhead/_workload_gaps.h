/*
 * Watching a target: the longest gap between two of its calls, in spans that another thread marks.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_GAPS_H
#define EBPF_OVERHEAD_WORKLOAD_GAPS_H

#include "_workload_loops.h"

#include <stdatomic.h>

/* What the thread that calls and the one that marks spans share; _workload.pyi documents it. */
struct watched {
    _Atomic uint64_t stop;
    _Atomic uint64_t span;
    _Atomic uint64_t closed;
    _Atomic uint64_t longest_ns;
    _Atomic uint64_t calls;
};

#pragma GCC visibility push(hidden)

/* Calls the target until it is told to stop.  NULL, or the system call that failed, with errno. */
const char *watch_target(const struct target *target, struct watched *watched);

#pragma GCC visibility pop

#endif
