/*
 * Targets that are dearer system calls: they need something prepared before a window, and it is
 * given back after it.  Nothing here knows of Python.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_SYSCALLS_H
#define EBPF_OVERHEAD_WORKLOAD_SYSCALLS_H

#include <stdint.h>

#pragma GCC visibility push(hidden)

/* Both prepare the window that the calling thread is about to time, and return NULL, or the name
 * of the system call that failed, with errno set and nothing left to give back. */
const char *prepare_read(void);
const char *prepare_sendto(void);

/* Gives back what one of them prepared; errno stays. */
void finish_window(void);

long loop_read(uint64_t calls);
long loop_openat_close(uint64_t calls);
long loop_sendto(uint64_t calls);

#pragma GCC visibility pop

#endif
