/*
 * Where a target is, for whoever attaches a uprobe to it.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_SYMBOL_H
#define EBPF_OVERHEAD_WORKLOAD_SYMBOL_H

#include <Python.h>

#include "_workload_loops.h"

#pragma GCC visibility push(hidden)

/* (path of this library, name of the symbol, its offset in the file), or NULL with an exception. */
PyObject *locate_target(const struct target *target);

#pragma GCC visibility pop

#endif
