/*
 * Workloads of two threads that wait for each other in turns.  Nothing here uses Python.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_REQUESTS_H
#define EBPF_OVERHEAD_WORKLOAD_REQUESTS_H

#include <stdint.h>

#pragma GCC visibility push(hidden)

/* See _workload_syscalls.h.  They start the other thread, which answers so many calls and ends; it
 * runs on the CPUs of the calling thread.  The finishing functions end it if it has not ended. */
const char *prepare_pipes(uint64_t calls);
const char *prepare_unix(uint64_t calls);
const char *prepare_tcp(uint64_t calls);
const char *prepare_udp(uint64_t calls);
const char *prepare_stream(uint64_t calls);
void finish_requests(void);
void finish_stream(void);
const char *prepare_futexes(uint64_t calls);
void finish_futexes(void);

long loop_request(uint64_t calls);
long loop_stream(uint64_t calls);
long loop_futexes(uint64_t calls);

#pragma GCC visibility pop

#endif
