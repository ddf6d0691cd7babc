/*
 * Pinning a thread to a CPU, and undoing it.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_AFFINITY_H
#define EBPF_OVERHEAD_WORKLOAD_AFFINITY_H

#include <Python.h>
#include <sched.h>

/* More CPUs than any kernel supports (8192 on x86_64). */
#define MAX_CPUS (1 << 20)

/* The CPUs that a thread may run on; NULL if the thread was never pinned. */
struct affinity {
    cpu_set_t *cpus;
    size_t size_bytes;
};

#pragma GCC visibility push(hidden)

/* Pins the calling thread to `cpu` and keeps the CPUs that it was allowed in `earlier`.  Returns 0,
 * or -1 with an exception set and nothing changed. */
int affinity_pin(int cpu, struct affinity *earlier);

/* Allows the thread again what affinity_pin() kept; does nothing if it kept nothing.  May be called
 * with an exception set, which stays set.  Returns 0, or -1 with an exception set. */
int affinity_restore(struct affinity *earlier);

#pragma GCC visibility pop

#endif
