/*
 * Converting whole numbers from Python, and times to Python.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_ARGUMENTS_H
#define EBPF_OVERHEAD_WORKLOAD_ARGUMENTS_H

#include <Python.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* Reads a whole number from `low` to `high`, or sets TypeError or ValueError. */
int parse_whole(const char *name, PyObject *value, long long low, long long high, long long *whole);

/* The times as a list of int. */
PyObject *list_from_times(const int64_t *elapsed_ns, Py_ssize_t windows);

#pragma GCC visibility pop

#endif
