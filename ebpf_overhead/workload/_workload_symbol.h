/*
 * The attach point of a workload for uprobes.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_SYMBOL_H
#define EBPF_OVERHEAD_WORKLOAD_SYMBOL_H

#include <Python.h>

#include "_workload_loops.h"

#pragma GCC visibility push(hidden)

/* Returns (path of this library, name of the symbol, its offset in the file), or NULL with an
 * exception set. */
PyObject *locate_workload(const struct workload *workload);

#pragma GCC visibility pop

#endif
