/*
 * The CPU a thread is pinned to, and the CPUs it was allowed before.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_AFFINITY_H
#define EBPF_OVERHEAD_WORKLOAD_AFFINITY_H

#include <Python.h>
#include <sched.h>

/* More CPUs than any kernel can be built for (8192 on x86_64). */
#define MAX_CPUS (1 << 20)

/* The CPUs a thread may run on; no CPUs at all: the thread was never pinned. */
struct affinity {
    cpu_set_t *cpus;
    size_t size_bytes;
};

#pragma GCC visibility push(hidden)

/* Pins the calling thread to `cpu` and keeps in `earlier` what it was allowed before.  0, or -1
 * with an exception set and nothing changed. */
int affinity_pin(int cpu, struct affinity *earlier);

/* Gives the thread back what affinity_pin() kept; does nothing if it kept nothing.  May be called
 * with an exception set, which stays.  0, or -1 with an exception set. */
int affinity_restore(struct affinity *earlier);

#pragma GCC visibility pop

#endif
