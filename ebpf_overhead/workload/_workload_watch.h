/*
 * The Python interface of _workload_gaps.h.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_WATCH_H
#define EBPF_OVERHEAD_WORKLOAD_WATCH_H

#include "_workload_loops.h"

#include <Python.h>

#pragma GCC visibility push(hidden)

/* Returns None, or NULL with an exception set; _workload.pyi documents it. */
PyObject *watch_from_cpu(const struct workload *workload, const Py_buffer *words, int cpu);

#pragma GCC visibility pop

#endif
