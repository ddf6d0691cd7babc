/*
 * The timed loops: what is called, how often, and for how long.  Nothing here knows of Python.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_LOOPS_H
#define EBPF_OVERHEAD_WORKLOAD_LOOPS_H

#include <stddef.h>
#include <stdint.h>

/* One thing to call.  `loop` calls it `calls` times (at least once) and returns the last result;
 * `system_call` names the system call, NULL where none is made.  `prepare`, NULL where there is
 * nothing to prepare, comes before a window and `finish` after it: see _workload_syscalls.h.
 * `symbol` and `address` are where a uprobe goes, NULL where there is nothing for one. */
struct target {
    const char *name;
    const char *system_call;
    long (*loop)(uint64_t calls);
    const char *(*prepare)(void);
    void (*finish)(void);
    const char *symbol;
    const void *address;
};

#pragma GCC visibility push(hidden)

/* Every target; the last one has no name. */
extern const struct target targets[];

/* The target of that name, NULL when there is none. */
const struct target *find_target(const char *name);

/* Both put the time between two readings of the clock into `elapsed_ns`.  They return NULL, or the
 * name of the system call that failed, with errno set. */
const char *time_window(const struct target *target, uint64_t calls, int64_t *elapsed_ns);
const char *time_empty_window(int64_t *elapsed_ns);

/* The same by a perf event's counter instead of the clock: `counted` is what it counted between two
 * readings, each of them a read(2), whose second half and first half are counted as well. */
const char *count_window(const struct target *target, uint64_t calls, int counter,
                         int64_t *counted);

#pragma GCC visibility pop

#endif
