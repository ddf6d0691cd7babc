/*
 * Where the target "function" is, for whoever attaches a uprobe to it.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_SYMBOL_H
#define EBPF_OVERHEAD_WORKLOAD_SYMBOL_H

#include <Python.h>

#pragma GCC visibility push(hidden)

/* (path of this library, name of the symbol, its offset in the file), or NULL with an exception. */
PyObject *locate_target(void);

#pragma GCC visibility pop

#endif
