/*
 * The workload of a signal that a task sends to itself.  Nothing here uses Python.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_SIGNALS_H
#define EBPF_OVERHEAD_WORKLOAD_SIGNALS_H

#include <stdint.h>

#pragma GCC visibility push(hidden)

/* See _workload_syscalls.h. */
const char *prepare_signal(uint64_t calls);
void finish_signal(void);

long loop_signal(uint64_t calls);

#pragma GCC visibility pop

#endif
