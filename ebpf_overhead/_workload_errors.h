/*
 * The one place that turns errno into a Python exception.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_ERRORS_H
#define EBPF_OVERHEAD_WORKLOAD_ERRORS_H

#pragma GCC visibility push(hidden)

/* Sets OSError, or the subclass of it that errno stands for, saying what failed: the system call by
 * its name; and what to do about it, unless `remedy` is NULL. */
void raise_os_error(const char *what, const char *remedy);

#pragma GCC visibility pop

#endif
