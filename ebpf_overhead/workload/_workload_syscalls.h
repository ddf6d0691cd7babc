/*
 * Workloads of one or two system calls in one task.  Some need something prepared before a window
 * and released after it.  Nothing here uses Python.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_SYSCALLS_H
#define EBPF_OVERHEAD_WORKLOAD_SYSCALLS_H

#include <stdint.h>

#pragma GCC visibility push(hidden)

/* They prepare the next window of the calling thread, of so many calls.  They return NULL, or the
 * name of the system call that failed, with errno set and nothing to release. */
const char *prepare_read(uint64_t calls);
const char *prepare_write(uint64_t calls);
const char *prepare_timer(uint64_t calls);
const char *prepare_file(uint64_t calls);

/* Releases what was prepared, and keeps errno. */
void finish_window(void);

long loop_read(uint64_t calls);
long loop_write(uint64_t calls);
long loop_openat_close(uint64_t calls);
long loop_stat(uint64_t calls);
long loop_sched_yield(uint64_t calls);
long loop_timer(uint64_t calls);
long loop_file_write(uint64_t calls);
long loop_file_fsync(uint64_t calls);

#pragma GCC visibility pop

#endif
