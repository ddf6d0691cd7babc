/*
 * Workloads of the network, by the loopback interface.  Nothing here uses Python.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_SOCKETS_H
#define EBPF_OVERHEAD_WORKLOAD_SOCKETS_H

#include <stdint.h>

#pragma GCC visibility push(hidden)

/* See _workload_syscalls.h. */
const char *prepare_sendto(uint64_t calls);
const char *prepare_udp_connect(uint64_t calls);
const char *prepare_tcp_connect(uint64_t calls);
void finish_socket(void);
void finish_tcp_connect(void);

/* They make two sockets that are connected with each other.  They return NULL, or the name of the
 * system call that failed, with errno set and nothing to release. */
const char *connect_tcp(int sockets[2]);
const char *connect_udp(int sockets[2]);

long loop_sendto(uint64_t calls);
long loop_udp_connect(uint64_t calls);
long loop_tcp_connect(uint64_t calls);

#pragma GCC visibility pop

#endif
