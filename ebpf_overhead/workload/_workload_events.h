/*
 * The Python interface of _workload_paced.h and _workload_reader.h.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_EVENTS_H
#define EBPF_OVERHEAD_WORKLOAD_EVENTS_H

#include <Python.h>

#include "_workload_paced.h"

/* What a reader calls, and with what; addresses of functions of libbpf's. */
struct event_source {
    void *poll, *consume, *buffer;
};

#pragma GCC visibility push(hidden)

/* Returns struct pace as a tuple, or NULL with an exception set. */
PyObject *pace_pinned(const struct workload *workload, long long calls, const struct pacing *pacing,
                      int cpu);

/* Reads until told to stop; returns None, or NULL with an exception set. */
PyObject *read_source(const struct event_source *source, long long sleep_ns,
                      const Py_buffer *words);

#pragma GCC visibility pop

#endif
