/*
 * The Python side of watching a target for gaps.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_WATCH_H
#define EBPF_OVERHEAD_WORKLOAD_WATCH_H

#include "_workload_loops.h"

#include <Python.h>

#pragma GCC visibility push(hidden)

/* None, or NULL with an exception set: _workload.pyi documents it. */
PyObject *watch_from_cpu(const struct target *target, const Py_buffer *words, int cpu);

#pragma GCC visibility pop

#endif
