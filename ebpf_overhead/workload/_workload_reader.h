/*
 * A reader of event buffers: takes records out by a function of libbpf's until it is stopped, as a
 * tool's main loop does.  Nothing here uses Python.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_READER_H
#define EBPF_OVERHEAD_WORKLOAD_READER_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Shared with the thread that starts and stops it; all are 64-bit words. */
struct reading {
    _Atomic uint64_t stop;
    _Atomic uint64_t records, lost; /* taken out so far; not kept, as the kernel says */
};

#pragma GCC visibility push(hidden)

/* What libbpf calls for each record: they count it in the struct that `context` is.  The first is
 * a ring_buffer_sample_fn, the second a perf_buffer_event_fn. */
int count_ring_record(void *context, void *data, size_t size);
int count_perf_event(void *context, int cpu, void *event);

/* Calls `poll(buffer, timeout_ms)`, or without a timeout `consume(buffer)` and a sleep of so many
 * ns, until told to stop.  It returns what the function said if that is an error, else 0. */
int read_events(int (*poll)(void *, int), int (*consume)(void *), void *buffer, int64_t sleep_ns,
                struct reading *reading);

#pragma GCC visibility pop

#endif
