/*
 * Packets through devices of network namespaces that are this process's own.  Nothing here uses
 * Python.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_PACKETS_H
#define EBPF_OVERHEAD_WORKLOAD_PACKETS_H

#include <stdint.h>

#pragma GCC visibility push(hidden)

/* Makes the namespace where packets arrive, once per process: it has no name, and ends with the
 * process.  Returns NULL and stores its descriptor, or returns the system call that failed, with
 * errno. */
const char *packet_namespace(int *descriptor);

/* See _workload_syscalls.h. */
const char *prepare_packet(uint64_t calls);
const char *prepare_packet_veth(uint64_t calls);
void finish_packet(void);
long loop_packet(uint64_t calls);

#pragma GCC visibility pop

#endif
