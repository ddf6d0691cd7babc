/*
 * The Python interface of _workload_threads.h.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_TOGETHER_H
#define EBPF_OVERHEAD_WORKLOAD_TOGETHER_H

#include <Python.h>

#include "_workload_loops.h"

#pragma GCC visibility push(hidden)

/* Returns (times by CPU, starts by CPU, number of calls), or NULL with an exception set. */
PyObject *time_together(const struct workload *workload, long long calls, Py_ssize_t windows,
                        PyObject *cpus, int keep_busy);

#pragma GCC visibility pop

#endif
