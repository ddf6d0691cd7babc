/*
 * Workloads of memory: mappings and page faults.  Nothing here uses Python.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_MEMORY_H
#define EBPF_OVERHEAD_WORKLOAD_MEMORY_H

#include <stdint.h>

#pragma GCC visibility push(hidden)

/* See _workload_syscalls.h. */
const char *prepare_page_fault(uint64_t calls);
void finish_page_fault(void);
const char *prepare_mmap_file(uint64_t calls);
void finish_mmap_file(void);

long loop_mmap_touch_munmap(uint64_t calls);
long loop_mmap_file(uint64_t calls);
long loop_page_fault(uint64_t calls);
long loop_malloc_free(uint64_t calls);

#pragma GCC visibility pop

#endif
