/*
 * Turning errno into a Python exception.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_ERRORS_H
#define EBPF_OVERHEAD_WORKLOAD_ERRORS_H

#pragma GCC visibility push(hidden)

/* Sets OSError, or the subclass for errno.  `what` names the system call that failed; `remedy` says
 * what to do, and may be NULL. */
void raise_os_error(const char *what, const char *remedy);

#pragma GCC visibility pop

#endif
