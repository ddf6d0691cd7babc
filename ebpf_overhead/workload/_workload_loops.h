/*
 * The timed loops: workloads and how long their calls take.  Nothing here uses Python.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_LOOPS_H
#define EBPF_OVERHEAD_WORKLOAD_LOOPS_H

#include <stddef.h>
#include <stdint.h>

/* An operation that is timed.  `loop` calls it `calls` times (at least once) and returns the last
 * result.  `system_call` names its system call, or is NULL.  `prepare` runs before a window and
 * `finish` after it, unless they are NULL: see _workload_syscalls.h.  `symbol` and `address` are
 * the attach point of a uprobe, or NULL. */
struct workload {
    const char *name;
    const char *system_call;
    long (*loop)(uint64_t calls);
    const char *(*prepare)(uint64_t calls);
    void (*finish)(void);
    const char *symbol;
    const void *address;
};

#pragma GCC visibility push(hidden)

/* All workloads; the last entry has no name. */
extern const struct workload workloads[];

/* The workload of that name, or NULL. */
const struct workload *find_workload(const char *name);

/* NULL, or the name of the workload's system call where its loop's result says that it failed; then
 * errno is set. */
const char *failed_result(const struct workload *workload, long result);

/* Both store the time between two readings of the clock.  They return NULL, or the name of the
 * system call that failed, with errno set. */
const char *time_window(const struct workload *workload, uint64_t calls, int64_t *elapsed_ns);
const char *time_empty_window(int64_t *elapsed_ns);

/* The same with a perf event's counter instead of the clock.  `counted` is the count between two
 * readings, each a read(2): the end of the first and the beginning of the second are included. */
const char *count_window(const struct workload *workload, uint64_t calls, int counter,
                         int64_t *counted);

#pragma GCC visibility pop

#endif
