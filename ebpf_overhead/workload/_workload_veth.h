/*
 * A pair of network devices: what one sends, the other receives.  Nothing here uses Python.
 */
#ifndef EBPF_OVERHEAD_WORKLOAD_VETH_H
#define EBPF_OVERHEAD_WORKLOAD_VETH_H

#pragma GCC visibility push(hidden)

/* The end that sends, and the end that receives. */
#define VETH_SENDER   "eo1"
#define VETH_RECEIVER "eo0"

/* Makes the pair in the network namespace of the calling thread, which sends, and in another one,
 * which receives; and gives the sender its address.  Returns NULL, or the system call that failed,
 * with errno. */
const char *make_veth(int receiving_namespace);

/* Gives the receiver its address, in the namespace of the calling thread. */
const char *finish_veth(void);

/* Makes two UDP sockets that are connected, each in the namespace of one end; `sending_namespace`
 * is that of the sender, and the calling thread may enter namespaces. */
const char *connect_veth(int sending_namespace, int receiving_namespace, int sockets[2]);

/* Waits until packets pass.  The kernel brings a device up a while after it was told to, and drops
 * what is sent before.  Returns NULL, or what failed, with errno. */
const char *await_veth(int sending_namespace, int receiving_namespace);

#pragma GCC visibility pop

#endif
